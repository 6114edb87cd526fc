//! Types, their refinements, and parameters.

use super::{Builder, Pair, Rule, behind};
use crate::Span;
use crate::problems::Problem;
use crate::syntax::ast::{FieldDeclaration, Name, Parameter, Path, Refinement, RefinementKind, TypeExpr, TypeExprKind};

impl<'a> Builder<'a> {
    pub(super) fn type_or_report(&mut self, pair: Option<Pair<'a>>, after: Span, what: &str) -> TypeExpr {
        match pair {
            Some(pair) => self.type_expression(pair),
            None => {
                self.expected(after, what);
                TypeExpr { span: behind(after), kind: TypeExprKind::Missing }
            }
        }
    }

    /// A `type`, or its kernel without the question mark.
    pub(super) fn type_expression(&mut self, pair: Pair<'a>) -> TypeExpr {
        let span = self.span(&pair);
        let mut inner = pair.into_inner();
        let Some(kernel) = inner.next() else { return TypeExpr { span, kind: TypeExprKind::Missing } };
        let mut ty = self.type_kernel(kernel);
        if let Some(mark) = inner.next() {
            let span = ty.span.to(self.span(&mark));
            ty = TypeExpr { span, kind: TypeExprKind::Optional(Box::new(ty)) };
        }
        if let Some(second) = inner.next() {
            let span = self.span(&second);
            self.report(Problem::new("E0012", span, "one `?` is enough").fix("take it away", span, ""));
        }
        ty
    }

    fn type_kernel(&mut self, pair: Pair<'a>) -> TypeExpr {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::named_type => self.named_type(pair, span),
            Rule::list_type => self.list_type(pair, span),
            Rule::record_type => self.record_or_map(pair, span),
            Rule::function_type => self.function_type(pair, span),
            _ => TypeExprKind::Missing,
        };
        TypeExpr { span, kind }
    }

    fn named_type(&mut self, pair: Pair<'a>, span: Span) -> TypeExprKind {
        let mut path = Path { names: Vec::new(), span };
        let mut refinements = Vec::new();
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::path => path = self.path(inner),
                _ => refinements = self.refinements(inner),
            }
        }
        TypeExprKind::Named { path, refinements }
    }

    pub(super) fn path(&mut self, pair: Pair<'a>) -> Path {
        let span = self.span(&pair);
        Path { names: pair.into_inner().map(|name| self.name(&name)).collect(), span }
    }

    fn list_type(&mut self, pair: Pair<'a>, span: Span) -> TypeExprKind {
        let opening = Span { end: span.start + 1, ..span };
        let (mut of, mut refinements, mut closed) = (None, Vec::new(), false);
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::r#type => of = Some(inner),
                Rule::refinements => refinements = self.refinements(inner),
                Rule::list_junk => self.unexpected(&inner, "a `]`"),
                _ => closed = true,
            }
        }
        if !closed {
            self.unclosed(span, "[", "this list type");
        }
        let of = Box::new(self.type_or_report(of, opening, "the type of the elements"));
        TypeExprKind::List { of, refinements }
    }

    /// `{text: T}` is a map, everything else in braces a record.
    fn record_or_map(&mut self, pair: Pair<'a>, span: Span) -> TypeExprKind {
        let mut fields = self.fields(pair, span, "this record type");
        let is_map = matches!(fields.as_slice(), [field] if field.name.text == "text" && field.doc.is_none());
        match fields.pop() {
            Some(field) if is_map => TypeExprKind::Map { of: Box::new(field.ty) },
            last => {
                fields.extend(last);
                TypeExprKind::Record { fields }
            }
        }
    }

    pub(super) fn fields(&mut self, pair: Pair<'a>, span: Span, of: &str) -> Vec<FieldDeclaration> {
        let mut fields = Vec::new();
        let mut closed = false;
        let mut comma_allowed = false;
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::close_curly => closed = true,
                Rule::comma if comma_allowed => comma_allowed = false,
                Rule::field => {
                    fields.push(self.field(inner));
                    comma_allowed = true;
                }
                _ => self.unexpected(&inner, "the next field: `name: type`"),
            }
        }
        if !closed {
            self.unclosed(span, "{", of);
        }
        fields
    }

    fn field(&mut self, pair: Pair<'a>) -> FieldDeclaration {
        let span = self.span(&pair);
        let (mut name, mut colon, mut ty, mut junk) = (None, None, None, None);
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::name => name = Some(self.name(&inner)),
                Rule::colon => colon = Some(self.span(&inner)),
                Rule::r#type => ty = Some(inner),
                _ => junk = Some(inner),
            }
        }
        let doc = self.doc(span);
        let name = name.unwrap_or_else(|| self.no_name(span));
        if colon.is_none() {
            self.expected_with_fix(name.span, &format!("a `:` after the field's name `{}`", name.text), ":");
        }
        let ty = match ty {
            None if colon.is_none() => TypeExpr { span: behind(name.span), kind: TypeExprKind::Missing },
            ty => self.type_or_report(ty, colon.unwrap_or(name.span), &format!("the type of the field `{}`", name.text)),
        };
        if let Some(junk) = junk {
            self.unexpected(&junk, "the next field: `name: type`");
        }
        FieldDeclaration { span, doc, name, ty }
    }

    fn function_type(&mut self, pair: Pair<'a>, span: Span) -> TypeExprKind {
        if self.file != crate::FileId::PRELUDE {
            self.report(Problem::new("E0018", span, "a function's type can be written in the prelude only"));
        }
        let mut types: Vec<TypeExpr> = Vec::new();
        for inner in pair.into_inner() {
            if inner.as_rule() == Rule::r#type {
                types.push(self.type_expression(inner));
            }
        }
        let result = types.pop().unwrap_or(TypeExpr { span: behind(span), kind: TypeExprKind::Missing });
        TypeExprKind::Function { parameters: types, result: Box::new(result) }
    }

    fn refinements(&mut self, pair: Pair<'a>) -> Vec<Refinement> {
        let span = self.span(&pair);
        let mut refinements = Vec::new();
        self.bracket(pair, span, "(", "these bounds", |builder, inner| {
            if let Some(refinement) = builder.refinement(inner) {
                refinements.push(refinement);
            }
        });
        refinements
    }

    fn refinement(&mut self, pair: Pair<'a>) -> Option<Refinement> {
        let span = self.span(&pair);
        let mut inner = pair.into_inner();
        let first = inner.next()?;
        let kind = match first.as_rule() {
            Rule::kw_max => self.max_refinement(self.span(&first), inner),
            Rule::kw_matches => {
                let Some(pattern) = inner.next() else {
                    self.expected(self.span(&first), "a pattern after `matches`, such as `/[a-z]+/`");
                    return None;
                };
                let pattern_span = self.span(&pattern);
                RefinementKind::Matches { pattern: self.pattern(pattern_span), pattern_span }
            }
            _ => {
                let from = self.expression(first);
                let Some(dots) = inner.next() else {
                    self.expected(from.span, "`..` and the upper bound");
                    return None;
                };
                let dots = self.span(&dots);
                RefinementKind::Range { from, to: self.expression_or_report(inner.next(), dots, "the upper bound after `..`") }
            }
        };
        Some(Refinement { span, kind })
    }

    fn max_refinement(&mut self, keyword: Span, inner: super::Pairs<'a>) -> RefinementKind {
        let (mut number, mut unit) = (None, None);
        for piece in inner {
            let span = self.span(&piece);
            match piece.as_rule() {
                Rule::number => number = Some(crate::syntax::ast::Expr { span, kind: self.number(span) }),
                _ => unit = Some(self.name(&piece)),
            }
        }
        let number = number.unwrap_or_else(|| {
            self.expected(keyword, "a number after `max`");
            super::expressions::missing(keyword)
        });
        RefinementKind::Max { number, unit }
    }

    /// The result type behind `->`.
    pub(super) fn result_type(&mut self, pair: Pair<'a>) -> TypeExpr {
        let span = self.span(&pair);
        let arrow = Span { end: span.start + 2, ..span };
        self.type_or_report(pair.into_inner().next(), arrow, "the type of the result after `->`")
    }

    pub(super) fn parameters(&mut self, pair: Pair<'a>) -> Vec<Parameter> {
        let span = self.span(&pair);
        let mut parameters = Vec::new();
        self.bracket(pair, span, "(", "these parameters", |builder, inner| parameters.push(builder.parameter(inner)));
        parameters
    }

    fn parameter(&mut self, pair: Pair<'a>) -> Parameter {
        let span = self.span(&pair);
        let mut name = self.no_name(Span { end: span.start, ..span });
        let (mut colon, mut trusted, mut ty, mut assign, mut default) = (None, None, None, None, None);
        for inner in pair.into_inner() {
            let inner_span = self.span(&inner);
            match inner.as_rule() {
                Rule::name => name = self.name(&inner),
                Rule::colon => colon = Some(inner_span),
                Rule::kw_trusted => trusted = Some(inner_span),
                Rule::r#type => ty = Some(self.type_expression(inner)),
                Rule::assign => assign = Some(inner_span),
                _ => default = Some(self.expression(inner)),
            }
        }
        if ty.is_some() && colon.is_none() {
            self.expected_with_fix(name.span, &format!("a `:` after the parameter's name `{}`", name.text), ":");
        } else if ty.is_none() {
            let what = format!("the type of the parameter `{}`", name.text);
            match colon {
                Some(colon) => self.expected(trusted.unwrap_or(colon), &what),
                None => self.expected(name.span, &format!("a `:` and {what}")),
            }
        }
        if let (Some(assign), None) = (assign, &default) {
            self.expected(assign, &format!("the default value of `{}`", name.text));
            default = Some(super::expressions::missing(assign));
        }
        Parameter { span, name, trusted, ty, default }
    }

    /// `<T, U>`
    pub(super) fn generics(&mut self, pair: Pair<'a>) -> Vec<Name> {
        pair.into_inner().filter(|inner| inner.as_rule() == Rule::name).map(|inner| self.name(&inner)).collect()
    }
}
