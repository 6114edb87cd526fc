//! From written types to types, and the declared types in an order in which each is known before it is used.

use super::Checker;
use super::circles;
use super::items::{At, ParameterTy, Signature};
use super::names::{Found, suggest};
use super::ty::{EnumTy, FieldTy, RecordTy, Ty};
use crate::problems::nearest;
use crate::syntax::ast::{
    EnumItem, Expr, ExprKind, FieldDeclaration, Item, ItemKind, Name, Parameter, Refinement, RefinementKind, TypeExpr,
    TypeExprKind, UnaryOperator,
};
use crate::{Problem, Span};
use ecow::EcoString;
use pmflow_plan::types::TextBounds;
use std::collections::HashMap;
use std::sync::Arc;

const PLAIN_TYPES: &[(&str, Ty)] = &[
    ("float", Ty::Float),
    ("bool", Ty::Bool),
    ("money", Ty::Money),
    ("date", Ty::Date),
    ("datetime", Ty::Datetime),
    ("duration", Ty::Duration),
    ("json", Ty::Json),
    ("secret", Ty::Secret),
];

/// Where a type is written: what its names mean depends on it.
#[derive(Clone, Copy)]
pub(super) struct TypeScope<'a> {
    pub file: usize,
    pub connector: Option<usize>,
    pub generics: &'a [EcoString],
}

impl<'a> TypeScope<'a> {
    pub fn file(file: usize) -> TypeScope<'a> {
        TypeScope { file, connector: None, generics: &[] }
    }
}

/// The tree, the item in it, and for a type inside a connector its position there and the connector.
type Declared = (Arc<crate::syntax::ast::File>, At, Option<usize>, Option<usize>);

impl Checker<'_> {
    pub(super) fn resolve_types(&mut self) {
        let needs: Vec<Vec<usize>> = (0..self.items.types.len()).map(|index| self.types_needed(index)).collect();
        let order = circles::order(&needs);
        for circle in &order.circles {
            self.report_type_circle(circle);
        }
        for index in order.sorted {
            let ty = self.resolve_declaration(index);
            if let Some(declaration) = self.items.types.get_mut(index) {
                self.parts.types.insert(declaration.name.full.to_string(), ty.to_plan_definition());
                declaration.ty = Some(ty);
            }
        }
    }

    fn report_type_circle(&mut self, circle: &[usize]) {
        let named: Vec<(EcoString, Span)> = circle
            .iter()
            .filter_map(|index| self.items.types.get(*index))
            .map(|item| (item.name.shown.clone(), item.span))
            .collect();
        let Some(((first, span), others)) = named.split_first() else { return };
        let mut way: Vec<String> = named.iter().map(|(name, _)| format!("`{name}`")).collect();
        way.push(format!("`{first}`"));
        let mut problem = Problem::new("E0115", *span, format!("the type `{first}` contains itself: {}", way.join(" → ")));
        for (name, span) in others {
            problem = problem.related(*span, format!("by way of `{name}`"));
        }
        self.report(problem.help("a value of such a type would have no end; refer to the other by its key instead"));
    }

    fn declaration(&self, index: usize) -> Option<Declared> {
        let declaration = self.items.types.get(index)?;
        let ast = self.files.get(declaration.at.file)?.ast.clone();
        Some((ast, declaration.at, declaration.inner, declaration.connector))
    }

    /// The declared types that a declared type names, without a word about those that are missing.
    fn types_needed(&self, index: usize) -> Vec<usize> {
        let mut needed = Vec::new();
        let Some((ast, at, inner, connector)) = self.declaration(index) else { return needed };
        if let Some(ItemKind::Type(item)) = item_kind(&ast.items, at.item, inner) {
            let scope = TypeScope { file: at.file, connector, generics: &[] };
            for field in &item.fields {
                self.add_types_needed(scope, &field.ty, &mut needed, 0);
            }
        }
        needed
    }

    fn add_types_needed(&self, scope: TypeScope, ty: &TypeExpr, needed: &mut Vec<usize>, depth: u32) {
        if depth > super::DEPTH_MAX {
            return;
        }
        match &ty.kind {
            TypeExprKind::Named { path, .. } => needed.extend(self.peek_type(scope, &path.names)),
            TypeExprKind::List { of, .. } | TypeExprKind::Map { of } | TypeExprKind::Optional(of) => {
                self.add_types_needed(scope, of, needed, depth + 1);
            }
            TypeExprKind::Record { fields } => {
                for field in fields {
                    self.add_types_needed(scope, &field.ty, needed, depth + 1);
                }
            }
            TypeExprKind::Function { .. } | TypeExprKind::Missing => {}
        }
    }

    /// Only names without a module matter here: import circles are reported apart, so types of modules come first or not at all.
    fn peek_type(&self, scope: TypeScope, names: &[Name]) -> Option<usize> {
        use super::items::Item as Named;
        let (first, rest) = names.split_first()?;
        let own = scope.connector.and_then(|connector| self.items.connectors.get(connector)?.types.get(&first.text).copied());
        if own.is_some() {
            return own;
        }
        match (self.items.names.get(scope.file)?.get(&first.text)?.0, rest) {
            (Named::Type(index), []) => Some(index),
            (Named::Connector(connector), [name]) => self.items.connectors.get(connector)?.types.get(&name.text).copied(),
            (Named::Module(Some(file)), rest) if file != scope.file => {
                let inside = TypeScope { file, connector: None, generics: &[] };
                let name = rest.first()?;
                let direct = self.peek_type(inside, rest);
                direct.or_else(|| {
                    let module = &self.files.get(file)?.module;
                    match self.items.names.get(file)?.get(module.as_str())?.0 {
                        Named::Connector(connector) => self.items.connectors.get(connector)?.types.get(&name.text).copied(),
                        _ => None,
                    }
                })
            }
            _ => None,
        }
    }

    fn resolve_declaration(&mut self, index: usize) -> Ty {
        let Some((ast, at, inner, connector)) = self.declaration(index) else { return Ty::Error };
        let Some(name) = self.items.types.get(index).map(|item| item.name.clone()) else { return Ty::Error };
        let scope = TypeScope { file: at.file, connector, generics: &[] };
        match item_kind(&ast.items, at.item, inner) {
            Some(ItemKind::Type(item)) => {
                let fields = self.resolve_fields(scope, &item.fields);
                Ty::Record(Arc::new(RecordTy::new(Some(name), fields)))
            }
            Some(ItemKind::Enum(item)) => Ty::Enum(Arc::new(EnumTy { name, values: self.enum_values(item) })),
            _ => Ty::Error,
        }
    }

    fn enum_values(&mut self, item: &EnumItem) -> Vec<(EcoString, Span)> {
        let mut values: Vec<(EcoString, Span)> = Vec::new();
        let mut seen: HashMap<EcoString, Span> = HashMap::new();
        for value in &item.values {
            match seen.get(&value.name.text) {
                Some(before) => self.report_duplicate(&value.name, *before),
                None => {
                    seen.insert(value.name.text.clone(), value.name.span);
                    values.push((value.name.text.clone(), value.name.span));
                }
            }
        }
        if values.is_empty() {
            let problem = Problem::new("E0207", item.name.span, format!("the enum `{}` has no value", item.name.text));
            self.report(problem.help("name the values it can have: `{ high, low }`"));
        }
        values
    }

    fn resolve_fields(&mut self, scope: TypeScope, fields: &[FieldDeclaration]) -> Vec<FieldTy> {
        let mut resolved: Vec<FieldTy> = Vec::new();
        let mut seen: HashMap<EcoString, Span> = HashMap::new();
        for field in fields {
            let ty = self.resolve_type(scope, &field.ty);
            if let Some(before) = seen.insert(field.name.text.clone(), field.name.span) {
                self.report_duplicate(&field.name, before);
                continue;
            }
            if matches!(ty, Ty::Secret) {
                self.report_secret(field.ty.span, "a record's field");
            }
            resolved.push(FieldTy { name: field.name.text.clone(), ty, doc: field.doc.clone(), span: Some(field.name.span) });
        }
        resolved
    }

    pub(super) fn resolve_type(&mut self, scope: TypeScope, ty: &TypeExpr) -> Ty {
        if !self.deeper(ty.span) {
            return Ty::Error;
        }
        let resolved = self.resolve_type_inner(scope, ty);
        self.depth -= 1;
        resolved
    }

    fn resolve_type_inner(&mut self, scope: TypeScope, ty: &TypeExpr) -> Ty {
        match &ty.kind {
            TypeExprKind::Named { path, refinements } => {
                let base = self.resolve_named(scope, &path.names);
                self.refine(base, refinements)
            }
            TypeExprKind::List { of, refinements } => {
                let of = self.resolve_type(scope, of);
                self.refine(Ty::list(of, None), refinements)
            }
            TypeExprKind::Map { of } => Ty::Map(Arc::new(self.resolve_type(scope, of))),
            TypeExprKind::Record { fields } => Ty::Record(Arc::new(RecordTy::new(None, self.resolve_fields(scope, fields)))),
            TypeExprKind::Optional(of) => Ty::optional(self.resolve_type(scope, of)),
            TypeExprKind::Function { parameters, result } => Ty::Function {
                parameters: parameters.iter().map(|parameter| self.resolve_type(scope, parameter)).collect(),
                result: Arc::new(self.resolve_type(scope, result)),
            },
            TypeExprKind::Missing => Ty::Error,
        }
    }

    fn resolve_named(&mut self, scope: TypeScope, names: &[Name]) -> Ty {
        if let [name] = names {
            if let Some(plain) = plain_type(&name.text) {
                return plain;
            }
            if scope.file == super::builtins::PRELUDE_FILE && name.text == "pattern" {
                return Ty::Regex;
            }
            if scope.generics.contains(&name.text) {
                return Ty::Generic(name.text.clone());
            }
            let known = self.has_item(scope.file, &name.text)
                || scope.connector.and_then(|c| self.items.connectors.get(c)).is_some_and(|c| c.types.contains_key(&name.text));
            if !known {
                return self.report_unknown_type(scope, name);
            }
        }
        let (found, used) = self.follow(scope.file, scope.connector, names);
        match found {
            Found::Type(index) if used == names.len() => {
                self.items.types.get(index).and_then(|item| item.ty.clone()).unwrap_or(Ty::Error)
            }
            Found::Missing => Ty::Error,
            _ => {
                if let Some(last) = names.get(used - 1) {
                    let problem =
                        Problem::new("E0105", last.span, format!("`{}` is {}, not a type", last.text, found.described()));
                    self.report(problem.help("types are declared with `type` or `enum`"));
                }
                Ty::Error
            }
        }
    }

    fn report_unknown_type(&mut self, scope: TypeScope, name: &Name) -> Ty {
        if name.text.is_empty() {
            return Ty::Error;
        }
        let mut known: Vec<EcoString> =
            ["text", "int"].into_iter().chain(PLAIN_TYPES.iter().map(|(name, _)| *name)).map(EcoString::from).collect();
        let mut declared: Vec<EcoString> = Vec::new();
        if let Some(names) = self.items.names.get(scope.file) {
            declared
                .extend(names.keys().filter(|key| matches!(names.get(*key), Some((super::items::Item::Type(_), _)))).cloned());
        }
        declared.sort();
        known.extend(declared);
        let mut problem = Problem::new("E0105", name.span, format!("there is no type called `{}`", name.text));
        let meant = match name.text.as_str() {
            "string" | "str" | "String" => Some("text"),
            "integer" | "number" => Some("int"),
            "boolean" => Some("bool"),
            "double" | "decimal" => Some("float"),
            "object" | "any" => Some("json"),
            "timestamp" => Some("datetime"),
            other => nearest(other, known.iter().map(EcoString::as_str)),
        };
        problem = match meant {
            Some(meant) => problem.help(format!("did you mean `{meant}`?")).fix(format!("write `{meant}`"), name.span, meant),
            None => suggest(problem, name.span, &name.text, known.iter().map(EcoString::as_str)),
        };
        self.report(problem);
        Ty::Error
    }

    fn refine(&mut self, base: Ty, refinements: &[Refinement]) -> Ty {
        refinements.iter().fold(base, |ty, refinement| self.refine_once(ty, refinement))
    }

    fn refine_once(&mut self, ty: Ty, refinement: &Refinement) -> Ty {
        match (ty, &refinement.kind) {
            (Ty::Error, _) => Ty::Error,
            (Ty::Text(bounds), RefinementKind::Max { number, unit: Some(unit) }) => self.refine_text(bounds, number, unit),
            (Ty::Text(mut bounds), RefinementKind::Matches { pattern, pattern_span }) => {
                if self.pattern_is_valid(pattern, *pattern_span) {
                    bounds.matches = Some(pattern.to_string());
                }
                Ty::Text(bounds)
            }
            (Ty::Int { .. }, RefinementKind::Range { from, to }) => self.refine_int(from, to, refinement.span),
            (Ty::List { of, .. }, RefinementKind::Max { number, unit: None }) => {
                let max = self.whole_number(number, "the largest length of a list");
                Ty::List { of, max }
            }
            (ty, _) => {
                let form = match &ty {
                    Ty::Text(_) => "a text takes `max 60 tokens`, `max 200 chars` or `matches /…/`",
                    Ty::Int { .. } => "an int takes a range, as in `int(1..10)`",
                    Ty::List { .. } => "a list takes its largest length, as in `[text](max 20)`",
                    _ => "only `text`, `int` and lists take bounds",
                };
                self.report(Problem::new("E0207", refinement.span, format!("`{ty}` does not take this bound")).help(form));
                ty
            }
        }
    }

    fn refine_text(&mut self, mut bounds: TextBounds, number: &Expr, unit: &Name) -> Ty {
        let max = self.whole_number(number, "a text's largest size");
        match unit.text.as_str() {
            "tokens" | "token" => bounds.tokens_max = max,
            "chars" | "char" => bounds.chars_max = max,
            other => {
                let problem = Problem::new("E0207", unit.span, format!("a text is not measured in `{other}`"));
                self.report(problem.help("write `tokens` or `chars`").fix("write `chars`", unit.span, "chars"));
            }
        }
        Ty::Text(bounds)
    }

    fn refine_int(&mut self, from: &Expr, to: &Expr, span: Span) -> Ty {
        let (min, max) = (constant_int(from), constant_int(to));
        if let (Some(min), Some(max)) = (min, max)
            && min > max
        {
            let problem = Problem::new("E0207", span, format!("no int lies in {min}..{max}"));
            self.report(problem.help("the smaller bound comes first").fix(
                "swap the bounds",
                from.span.to(to.span),
                format!("{max}..{min}"),
            ));
            return Ty::int();
        }
        if min.is_none() || max.is_none() {
            self.report(Problem::new("E0207", span, "the bounds of an int are whole numbers").help("as in `int(1..10)`"));
        }
        Ty::Int { min, max }
    }

    pub(super) fn whole_number(&mut self, number: &Expr, what: &str) -> Option<u64> {
        if matches!(number.kind, ExprKind::Missing | ExprKind::Int(None)) {
            return None;
        }
        let value = constant_int(number).and_then(|value| u64::try_from(value).ok());
        if value.is_none() {
            self.report(
                Problem::new("E0207", number.span, format!("{what} is a whole number that is written out"))
                    .help("as in `max 20`"),
            );
        }
        value
    }

    pub(super) fn pattern_is_valid(&mut self, pattern: &str, span: Span) -> bool {
        let Err(error) = regex::Regex::new(pattern) else { return true };
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_string();
        self.report(
            Problem::new("E0207", span, "this pattern cannot be read")
                .label(reason)
                .help("a pattern is a regular expression without look-around"),
        );
        false
    }

    /// Parameters of a prompt, function, flow or operation, with their types. Defaults are checked where the bodies are.
    pub(super) fn read_parameters(&mut self, scope: TypeScope, parameters: &[Parameter]) -> Vec<ParameterTy> {
        let mut read: Vec<ParameterTy> = Vec::new();
        let mut seen: HashMap<EcoString, Span> = HashMap::new();
        for parameter in parameters {
            if let Some(before) = seen.insert(parameter.name.text.clone(), parameter.name.span) {
                self.report_duplicate(&parameter.name, before);
                continue;
            }
            // A missing type was reported by the parser.
            let ty = parameter.ty.as_ref().map_or(Ty::Error, |ty| self.resolve_type(scope, ty));
            read.push(ParameterTy {
                name: parameter.name.text.clone(),
                optional: parameter.default.is_some() || ty.is_optional(),
                ty,
                trusted: parameter.trusted,
                span: parameter.name.span,
                demand: parameter.trusted.map(|span| super::trust::Demand {
                    span,
                    why: format!("`{}` is declared `trusted`", parameter.name.text),
                    system: false,
                }),
            });
        }
        read
    }

    pub(super) fn signature(&mut self, scope: TypeScope, parameters: &[Parameter], result: Option<&TypeExpr>) -> Signature {
        let parameters = self.read_parameters(scope, parameters);
        let result = result.map_or(Ty::Error, |result| self.resolve_type(scope, result));
        Signature { parameters, result }
    }
}

fn plain_type(name: &str) -> Option<Ty> {
    match name {
        "text" => Some(Ty::text()),
        "int" => Some(Ty::int()),
        _ => PLAIN_TYPES.iter().find(|(plain, _)| *plain == name).map(|(_, ty)| ty.clone()),
    }
}

fn item_kind(items: &[Arc<Item>], position: usize, inner: Option<usize>) -> Option<&ItemKind> {
    let kind = &items.get(position)?.kind;
    match (kind, inner) {
        (ItemKind::Connector(connector), Some(inner)) => connector.types.get(inner).map(|item| &item.kind),
        (kind, None) => Some(kind),
        _ => None,
    }
}

/// The value of a written number, with its sign.
pub(super) fn constant_int(expr: &Expr) -> Option<i64> {
    match &expr.kind {
        ExprKind::Int(value) => *value,
        ExprKind::Unary { operator: UnaryOperator::Negate, of } => constant_int(of)?.checked_neg(),
        ExprKind::Parenthesized(of) => constant_int(of),
        _ => None,
    }
}
