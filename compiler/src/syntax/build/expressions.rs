//! Expressions: the grammar gives a flat row of operands and operators; their precedence is decided here.

use super::{Builder, CommaState, Pair, Pairs, Rule, behind};
use crate::Span;
use crate::problems::Problem;
use crate::syntax::ast::{Argument, BinaryOperator, Expr, ExprKind, Name, RecordField, UnaryOperator};
use std::iter::Peekable;

/// Binds tighter than comparisons, looser than arithmetic; see [`power`].
const POWER_NOT: u8 = 3;

type Parts<'a> = Peekable<Pairs<'a>>;

impl<'a> Builder<'a> {
    /// An expression; `term_expression` has the same shape.
    pub(super) fn expression(&mut self, pair: Pair<'a>) -> Expr {
        let span = self.span(&pair);
        let parts = pair.into_inner();
        let levels = parts.len();
        if self.depth + levels > super::TREE_DEPTH_MAX {
            self.report(crate::syntax::parse::too_deep(Span { end: span.start + 1, ..span }));
            return Expr { span, kind: ExprKind::Missing };
        }
        self.depth += levels;
        let mut parts = parts.peekable();
        let expression = self.operators(&mut parts, 0, span);
        self.depth -= levels;
        expression
    }

    /// Like [`Self::expression`]; nothing there is reported as `what` and is a missing node behind `after`.
    pub(super) fn expression_or_report(&mut self, pair: Option<Pair<'a>>, after: Span, what: &str) -> Expr {
        match pair {
            Some(pair) => self.expression(pair),
            None => {
                self.expected(after, what);
                missing(after)
            }
        }
    }

    fn operators(&mut self, parts: &mut Parts<'a>, power_min: u8, before: Span) -> Expr {
        let mut left = self.operand(parts, before);
        while let Some(next) = parts.peek() {
            let Some(operator) = (next.as_rule() == Rule::operator).then(|| binary_operator(next.as_str().trim())).flatten()
            else {
                break;
            };
            if power(operator) < power_min {
                break;
            }
            let operator_span = self.span(next);
            parts.next();
            let right = match parts.peek() {
                Some(next) if next.as_rule() != Rule::operator => self.operators(parts, power(operator) + 1, operator_span),
                _ => {
                    self.expected(operator_span, &format!("a value after `{}`", self.source(operator_span)));
                    missing(operator_span)
                }
            };
            let span = left.span.to(right.span);
            let (left_box, right) = (Box::new(left), Box::new(right));
            left = Expr { span, kind: ExprKind::Binary { operator, operator_span, left: left_box, right } };
        }
        left
    }

    fn operand(&mut self, parts: &mut Parts<'a>, before: Span) -> Expr {
        let Some(part) = parts.next() else { return missing(before) };
        match part.as_rule() {
            Rule::prefix => self.prefixed(&part, parts),
            Rule::term_chain => {
                let mut chain = part.into_inner().peekable();
                let first = self.operand(&mut chain, before);
                let chained = self.postfixes(first, &mut chain);
                self.postfixes(chained, parts)
            }
            _ => {
                let primary = self.primary(part, parts);
                self.postfixes(primary, parts)
            }
        }
    }

    fn prefixed(&mut self, part: &Pair<'a>, parts: &mut Parts<'a>) -> Expr {
        let span = self.span(part);
        let operator = if self.source(span) == "-" { UnaryOperator::Negate } else { UnaryOperator::Not };
        let of = match parts.peek() {
            Some(next) if next.as_rule() != Rule::operator => match operator {
                UnaryOperator::Negate => self.operand(parts, span),
                UnaryOperator::Not => self.operators(parts, POWER_NOT + 1, span),
            },
            _ => {
                self.expected(span, &format!("a value after `{}`", self.source(span)));
                missing(span)
            }
        };
        Expr { span: span.to(of.span), kind: ExprKind::Unary { operator, of: Box::new(of) } }
    }

    fn primary(&mut self, part: Pair<'a>, parts: &mut Parts<'a>) -> Expr {
        let span = self.span(&part);
        let body = parts.next_if(|next| next.as_rule() == Rule::lambda_body);
        if let Some(body) = body {
            return self.lambda(part, body);
        }
        let kind = match part.as_rule() {
            Rule::reference | Rule::lone_word => match self.source(span) {
                "true" => ExprKind::Bool(true),
                "false" => ExprKind::Bool(false),
                "none" => ExprKind::None,
                name => ExprKind::Name(name.into()),
            },
            Rule::text => ExprKind::Text(self.template(span)),
            Rule::number => self.number(span),
            Rule::enum_value => match part.into_inner().next() {
                Some(name) => ExprKind::EnumValue(self.name(&name)),
                None => ExprKind::Missing,
            },
            Rule::list => ExprKind::List(self.list(part)),
            Rule::phrase_list => return self.plain_phrase_list(part),
            Rule::record => ExprKind::Record(self.record(part)),
            Rule::parenthesized => return self.parenthesized(part),
            Rule::if_expression => return self.if_expression(part),
            Rule::pattern => ExprKind::Regex(self.pattern(span)),
            _ => ExprKind::Missing,
        };
        Expr { span, kind }
    }

    fn postfixes(&mut self, mut expression: Expr, parts: &mut Parts<'a>) -> Expr {
        while let Some(part) =
            parts.next_if(|next| matches!(next.as_rule(), Rule::member | Rule::index | Rule::arguments | Rule::cast))
        {
            let span = expression.span.to(self.span(&part));
            let of = Box::new(expression);
            let kind = match part.as_rule() {
                Rule::member => self.member(of, part),
                Rule::index => self.index(of, part),
                Rule::arguments => ExprKind::Call { callee: of, arguments: self.arguments(part) },
                _ => self.cast(of, part),
            };
            expression = Expr { span, kind };
        }
        expression
    }

    fn member(&mut self, of: Box<Expr>, part: Pair<'a>) -> ExprKind {
        let span = self.span(&part);
        let optional = self.source(span).starts_with('?');
        let name = part.into_inner().next().map(|name| self.name(&name));
        if name.is_none() {
            self.expected(span, "a name after the dot, on the same line");
        }
        ExprKind::Field { of, name, optional }
    }

    fn index(&mut self, of: Box<Expr>, part: Pair<'a>) -> ExprKind {
        let span = self.span(&part);
        let opening = Span { end: span.start + 1, ..span };
        let (mut index, mut closed) = (None, false);
        for inner in part.into_inner() {
            match inner.as_rule() {
                Rule::close_square => closed = true,
                Rule::list_junk => self.unexpected(&inner, "a `]`"),
                _ => index = Some(inner),
            }
        }
        let index = self.expression_or_report(index, opening, "a position between the brackets");
        if !closed {
            self.unclosed(span, "[", "this position");
        }
        ExprKind::Index { of, index: Box::new(index) }
    }

    fn cast(&mut self, of: Box<Expr>, part: Pair<'a>) -> ExprKind {
        let span = self.span(&part);
        let ty = part.into_inner().find(|inner| inner.as_rule() == Rule::r#type);
        ExprKind::As { of, ty: self.type_or_report(ty, span, "a type after `as`") }
    }

    pub(super) fn arguments(&mut self, part: Pair<'a>) -> Vec<Argument> {
        let span = self.span(&part);
        let mut arguments = Vec::new();
        self.bracket(part, span, "(", "these arguments", |builder, inner| {
            let mut name = None;
            let argument_span = builder.span(&inner);
            let mut value = None;
            for piece in inner.into_inner() {
                match piece.as_rule() {
                    Rule::name => name = Some(builder.name(&piece)),
                    Rule::colon => {}
                    _ => value = Some(piece),
                }
            }
            let what = name.as_ref().map_or_else(|| "a value".to_owned(), |name| format!("a value for `{}`", name.text));
            let value = builder.expression_or_report(value, argument_span, &what);
            arguments.push(Argument { name, value });
        });
        arguments
    }

    fn list(&mut self, part: Pair<'a>) -> Vec<Expr> {
        let span = self.span(&part);
        let mut elements = Vec::new();
        self.bracket(part, span, "[", "this list", |builder, inner| elements.push(builder.expression(inner)));
        elements
    }

    fn record(&mut self, part: Pair<'a>) -> Vec<RecordField> {
        let span = self.span(&part);
        let mut fields = Vec::new();
        self.bracket(part, span, "{", "this record", |builder, inner| fields.push(builder.record_field(inner)));
        fields
    }

    fn record_field(&mut self, part: Pair<'a>) -> RecordField {
        let span = self.span(&part);
        let mut name = self.no_name(Span { end: span.start, ..span });
        let (mut colon, mut value) = (None, None);
        for piece in part.into_inner() {
            match piece.as_rule() {
                Rule::name => name = self.name(&piece),
                Rule::text => name = self.quoted_name(self.span(&piece)),
                Rule::colon => colon = Some(self.span(&piece)),
                _ => value = Some(piece),
            }
        }
        let value = match colon {
            Some(colon) => self.expression_or_report(value, colon, &format!("a value for `{}`", name.text)),
            None => {
                let fix = format!(": {}", name.text);
                self.expected_with_fix(span, &format!("a `:` and a value after `{}`", name.text), &fix);
                missing(span)
            }
        };
        RecordField { name, value }
    }

    /// A record's key in quotes: any text without holes.
    fn quoted_name(&mut self, span: Span) -> Name {
        let text = self.template(span).as_constant();
        if text.is_none() {
            self.report(Problem::new("E0012", span, "the name of a field has no `{{ }}` holes"));
        }
        Name { text: text.unwrap_or_default(), span }
    }

    fn parenthesized(&mut self, part: Pair<'a>) -> Expr {
        let span = self.span(&part);
        let mut inner = Vec::new();
        let mut commas = 0;
        for pair in part.clone().into_inner() {
            commas += usize::from(pair.as_rule() == Rule::comma);
        }
        self.bracket(part, span, "(", "this expression", |builder, pair| inner.push(builder.expression(pair)));
        if inner.len() > 1 || commas > 0 {
            let problem = Problem::new("E0012", span, "round brackets hold one value");
            self.report(problem.help("a list stands in `[ ]`; several parameters are followed by `=>`"));
        } else if inner.is_empty() {
            self.expected(Span { end: span.start + 1, ..span }, "a value between the brackets");
        }
        let first = inner.into_iter().next().unwrap_or_else(|| missing(Span { end: span.start + 1, ..span }));
        Expr { span, kind: ExprKind::Parenthesized(Box::new(first)) }
    }

    fn lambda(&mut self, head: Pair<'a>, body: Pair<'a>) -> Expr {
        let head_span = self.span(&head);
        let body_span = self.span(&body);
        let parameters = self.lambda_parameters(head);
        let value = body.into_inner().next();
        let arrow = Span { end: body_span.start + 2, ..body_span };
        let body = Box::new(self.expression_or_report(value, arrow, "a value after `=>`"));
        Expr { span: head_span.to(body_span), kind: ExprKind::Lambda { parameters, body } }
    }

    fn lambda_parameters(&mut self, head: Pair<'a>) -> Vec<Name> {
        if head.as_rule() == Rule::reference {
            return vec![self.name(&head)];
        }
        let span = self.span(&head);
        let mut parameters = Vec::new();
        if head.as_rule() != Rule::parenthesized {
            self.report(
                Problem::new("E0012", span, "this is not the name of a parameter").help("write `x => …` or `(x, y) => …`"),
            );
            return parameters;
        }
        self.bracket(head, span, "(", "these parameters", |builder, pair| {
            let expression = builder.expression(pair);
            match expression.kind {
                ExprKind::Name(text) => parameters.push(Name { text, span: expression.span }),
                _ => builder.report(Problem::new("E0012", expression.span, "this is not the name of a parameter")),
            }
        });
        parameters
    }

    fn if_expression(&mut self, part: Pair<'a>) -> Expr {
        let span = self.span(&part);
        let mut branches: Vec<(Span, Expr, Expr)> = Vec::new();
        let mut otherwise = None;
        let mut parts = part.into_inner().peekable();
        let mut last_else = None;
        let depth = self.depth;
        while let Some(keyword) = parts.next() {
            let keyword_span = self.span(&keyword);
            self.depth += 1;
            if self.depth > super::TREE_DEPTH_MAX {
                self.report(crate::syntax::parse::too_deep(keyword_span));
                break;
            }
            match keyword.as_rule() {
                Rule::kw_if => branches.push(self.if_then(keyword_span, &mut parts)),
                _ if parts.peek().is_some_and(|next| next.as_rule() == Rule::kw_if) => {}
                _ => {
                    otherwise = Some(self.expression_or_report(parts.next(), keyword_span, "a value after `else`"));
                    last_else = Some(keyword_span);
                }
            }
        }
        self.depth = depth;
        if otherwise.is_none() && last_else.is_none() {
            self.expected(span, "`else` and a value: an `if` among values has one for both cases");
        }
        let mut result = otherwise.unwrap_or_else(|| missing(span));
        for (start, condition, then) in branches.into_iter().rev() {
            let whole = start.to(span);
            let (condition, then, otherwise) = (Box::new(condition), Box::new(then), Box::new(result));
            result = Expr { span: whole, kind: ExprKind::If { condition, then, otherwise } };
        }
        result
    }

    fn if_then(&mut self, keyword: Span, parts: &mut Parts<'a>) -> (Span, Expr, Expr) {
        let condition = parts.next_if(|next| next.as_rule() == Rule::expression);
        let condition = self.expression_or_report(condition, keyword, "a condition after `if`");
        let Some(then) = parts.next_if(|next| next.as_rule() == Rule::kw_then) else {
            self.expected_with_fix(condition.span, "`then` and a value after the condition", " then ");
            let then = missing(condition.span);
            return (keyword, condition, then);
        };
        let then_span = self.span(&then);
        let value = parts.next_if(|next| next.as_rule() == Rule::expression);
        let value = self.expression_or_report(value, then_span, "a value after `then`");
        (keyword, condition, value)
    }

    /// Walks over the elements of a bracket, and reports what is wrong with the bracket itself.
    pub(super) fn bracket(
        &mut self,
        part: Pair<'a>,
        span: Span,
        bracket: &str,
        of: &str,
        mut element: impl FnMut(&mut Builder<'a>, Pair<'a>),
    ) {
        let mut closed = false;
        let mut commas = CommaState::Start;
        let mut comma_problems = Vec::new();
        for inner in part.into_inner() {
            let reported = self.problems.all.len();
            match inner.as_rule() {
                Rule::close_round | Rule::close_square | Rule::close_curly => closed = true,
                Rule::list_junk | Rule::parameter_junk => {
                    let wanted = if bracket == "(" {
                        "a `,` or a `)`"
                    } else if bracket == "[" {
                        "a `,` or a `]`"
                    } else {
                        "a `,` or a `}`"
                    };
                    self.unexpected(&inner, wanted);
                    commas = CommaState::Element(self.span(&inner));
                }
                Rule::comma => self.check_commas(&mut commas, &inner),
                _ => {
                    self.check_commas(&mut commas, &inner);
                    comma_problems.extend(self.problems.all.drain(reported..));
                    element(self, inner);
                }
            }
        }
        // In a bracket that nothing closes, a missing comma is the same mistake.
        if closed {
            self.problems.all.extend(comma_problems);
        } else {
            self.unclosed(span, bracket, of);
        }
    }
}

pub(super) fn missing(after: Span) -> Expr {
    Expr { span: behind(after), kind: ExprKind::Missing }
}

fn binary_operator(sign: &str) -> Option<BinaryOperator> {
    Some(match sign {
        "+" => BinaryOperator::Add,
        "-" => BinaryOperator::Subtract,
        "*" => BinaryOperator::Multiply,
        "/" => BinaryOperator::Divide,
        "%" => BinaryOperator::Remainder,
        "==" => BinaryOperator::Equal,
        "!=" => BinaryOperator::NotEqual,
        "<" => BinaryOperator::Less,
        "<=" => BinaryOperator::LessOrEqual,
        ">" => BinaryOperator::Greater,
        ">=" => BinaryOperator::GreaterOrEqual,
        "and" => BinaryOperator::And,
        "or" => BinaryOperator::Or,
        "??" => BinaryOperator::Otherwise,
        _ => return None,
    })
}

/// How tightly an operator binds: `or`, `and`, (`not`,) comparisons, `??`, sums, products.
fn power(operator: BinaryOperator) -> u8 {
    use BinaryOperator::*;
    match operator {
        Or => 1,
        And => 2,
        Equal | NotEqual | Less | LessOrEqual | Greater | GreaterOrEqual => 4,
        Otherwise => 5,
        Add | Subtract => 6,
        Multiply | Divide | Remainder => 7,
    }
}
