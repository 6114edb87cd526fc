//! The same tree at another place of its file.

use super::Span;
use super::ast::*;
use crate::problems::{Edit, Fix, Problem, Related};

/// Moves every span of a tree by so many bytes, forward or (wrapping) back.
pub trait Shift {
    fn shift(&mut self, by: u32);
}

impl Shift for Span {
    fn shift(&mut self, by: u32) {
        self.start = self.start.wrapping_add(by);
        self.end = self.end.wrapping_add(by);
    }
}

impl<T: Shift> Shift for Vec<T> {
    fn shift(&mut self, by: u32) {
        self.iter_mut().for_each(|one| one.shift(by));
    }
}

impl<T: Shift> Shift for Option<T> {
    fn shift(&mut self, by: u32) {
        if let Some(one) = self {
            one.shift(by);
        }
    }
}

impl<T: Shift> Shift for Box<T> {
    fn shift(&mut self, by: u32) {
        (**self).shift(by);
    }
}

impl<A: Shift, B: Shift> Shift for (A, B) {
    fn shift(&mut self, by: u32) {
        self.0.shift(by);
        self.1.shift(by);
    }
}

/// Every field is named, so that a new one cannot be forgotten.
macro_rules! shift {
    ($($node:ident { $($moves:ident),* $(; $($stays:ident),*)? })*) => {
        $(impl Shift for $node {
            fn shift(&mut self, by: u32) {
                let $node { $($moves,)* $($($stays: _,)*)? } = self;
                $($moves.shift(by);)*
            }
        })*
    };
}

shift! {
    Problem { span, related, fix; code, message, label, help }
    Related { span; message }
    Fix { edits; title }
    Edit { span; text }
    Name { span; text }
    Path { names, span }
    Item { span, kind; doc }
    TypeItem { name, fields }
    FieldDeclaration { span, name, ty; doc }
    EnumItem { name, values }
    EnumValue { name; doc }
    ModelItem { name, chain }
    ModelLink { span, target, options }
    PromptItem { name, parameters, result, settings, examples }
    Example { span, settings }
    Parameter { span, name, trusted, ty, default }
    FunctionItem { name, parameters, result, body, generics }
    ConnectorItem { name, settings, types, operations }
    OperationItem { span, name, generics, parameters, result, settings; doc, source }
    BudgetItem { name, settings }
    FlowItem { name, parameters, settings, body }
    Setting { span, name, phrases; doc }
    Phrase { span, terms }
    Block { span, steps }
    Step { span, kind; doc }
    Likely { span, percent }
    MatchArm { span, patterns, likely, body }
    ForStep { variable, list, key, body }
    Modifier { span, kind }
    TestItem { title_span, steps; title }
    TestStep { span, kind }
    TypeExpr { span, kind }
    Refinement { span, kind }
    Expr { span, kind }
    Argument { name, value }
    RecordField { name, value }
    Template { span, pieces; multiline }
}

/// As above, for the variants of an enum.
macro_rules! shift_variants {
    ($($node:ident { $($variant:ident $({ $($moves:ident),* $(; $($stays:ident),*)? })? $(( $($one:ident),* ))?,)* })*) => {
        $(impl Shift for $node {
            fn shift(&mut self, by: u32) {
                let _ = by;
                match self {
                    $($node::$variant $({ $($moves,)* $($($stays: _,)*)? })? $(( $($one),* ))? => {
                        $($($moves.shift(by);)*)?
                        $($($one.shift(by);)*)?
                    })*
                }
            }
        })*
    };
}

shift_variants! {
    ItemKind {
        Import(import), Type(item), Enum(item), Model(item), Prompt(item), Function(item), Connector(item), Budget(item),
        Flow(item), Test(item), Broken,
    }
    Import { Std { path }, File { path_span; path }, }
    ModelTarget { Id { span; text }, Name(name), Missing(span), }
    Term {
        Expr(value), Range { from, to, span }, Arrow(span), Settings { settings, span }, Type(ty), Phrases { phrases, span },
    }
    StepKind {
        Source { name, ty, call, modifiers },
        Let { name, ty, value, modifiers },
        LetFor { name, ty, body },
        Do { call, modifiers },
        If { condition, likely, then, otherwise },
        Match { value, arms, otherwise },
        For(body),
        Repeat { up_to, condition, body },
        Set { name, value },
        Parallel { body },
        Wait { value; until },
        Approve { text, by, timeout, otherwise },
        Output { value, tagged },
        Fail { text },
        Stop,
        Yield { value },
        Broken,
    }
    Otherwise { Block(block), If(step), }
    ModifierKind {
        Limit(value), Expect(value), Retry { times, backoff, on }, Timeout(value), Else(value), Cache(value), Key(value),
        Was(name),
    }
    TestStepKind {
        Given { target, value }, Run { call }, Expect { condition }, ExpectCalled { target, times }, Broken,
    }
    GivenValue { Value(value), Fail(value), }
    CalledTimes { AtLeastOnce, Never, Once, Times(value), }
    TypeExprKind {
        Named { path, refinements }, List { of, refinements }, Map { of }, Record { fields }, Optional(of),
        Function { parameters, result }, Missing,
    }
    RefinementKind { Max { number, unit }, Matches { pattern_span; pattern }, Range { from, to }, }
    TemplatePiece {
        Text { span; text },
        Hole { value, span },
        If { condition, then, otherwise, span },
        For { variable, list, body, span },
    }
}

impl Shift for ExprKind {
    fn shift(&mut self, by: u32) {
        match self {
            ExprKind::Missing
            | ExprKind::None
            | ExprKind::Bool(_)
            | ExprKind::Int(_)
            | ExprKind::Float(_)
            | ExprKind::Money(_)
            | ExprKind::Percent(_)
            | ExprKind::Duration(_)
            | ExprKind::Regex(_)
            | ExprKind::Name(_) => {}
            ExprKind::Text(template) => template.shift(by),
            ExprKind::EnumValue(name) => name.shift(by),
            ExprKind::Field { of, name, optional: _ } => {
                of.shift(by);
                name.shift(by);
            }
            ExprKind::Index { of, index } => {
                of.shift(by);
                index.shift(by);
            }
            ExprKind::Call { callee, arguments } => {
                callee.shift(by);
                arguments.shift(by);
            }
            ExprKind::Lambda { parameters, body } => {
                parameters.shift(by);
                body.shift(by);
            }
            ExprKind::Unary { operator: _, of } => of.shift(by),
            ExprKind::Binary { operator: _, operator_span, left, right } => {
                operator_span.shift(by);
                left.shift(by);
                right.shift(by);
            }
            ExprKind::If { condition, then, otherwise } => {
                condition.shift(by);
                then.shift(by);
                otherwise.shift(by);
            }
            ExprKind::List(values) => values.shift(by),
            ExprKind::Record(fields) => fields.shift(by),
            ExprKind::As { of, ty } => {
                of.shift(by);
                ty.shift(by);
            }
            ExprKind::Parenthesized(of) => of.shift(by),
        }
    }
}
