//! Visits everything inside an item, in the order in which it is written.

use super::ast::*;
use crate::Span;

/// Called for each node before its parts; every method does nothing unless an implementation says otherwise.
pub trait Visitor<'a> {
    fn expr(&mut self, _expr: &'a Expr) {}
    fn type_expr(&mut self, _ty: &'a TypeExpr) {}
    fn parameter(&mut self, _parameter: &'a Parameter) {}
    fn field(&mut self, _field: &'a FieldDeclaration) {}
    fn operation(&mut self, _operation: &'a OperationItem) {}
    fn modifier(&mut self, _modifier: &'a Modifier) {}
    fn test_step(&mut self, _step: &'a TestStep) {}
    fn piece(&mut self, _piece: &'a TemplatePiece) {}
    /// A name or `a.b` outside of an expression: a type, the target of a `given`.
    fn path(&mut self, _path: &'a Path) {}
    /// A lone name outside of an expression: the model that another one falls back to.
    fn name(&mut self, _name: &'a Name) {}
    fn block(&mut self, _block: &'a Block) {}
    fn step(&mut self, _step: &'a Step) {}
    fn setting(&mut self, _setting: &'a Setting) {}
    /// A condition of an `if`, a loop or a template.
    fn condition(&mut self, _condition: &'a Expr) {}
    /// The constant text between two holes, escapes resolved.
    fn text(&mut self, _text: &'a str, _span: Span) {}
}

pub fn item<'a>(visitor: &mut dyn Visitor<'a>, item: &'a Item) {
    match &item.kind {
        ItemKind::Import(_) | ItemKind::Enum(_) | ItemKind::Broken => {}
        ItemKind::Type(declared) => fields(visitor, &declared.fields),
        ItemKind::Model(model) => model.chain.iter().for_each(|link| model_link(visitor, link)),
        ItemKind::Prompt(prompt) => prompt_item(visitor, prompt),
        ItemKind::Function(function) => {
            parameters(visitor, &function.parameters);
            optional_type(visitor, function.result.as_ref());
            expr(visitor, &function.body);
        }
        ItemKind::Connector(connector) => {
            settings(visitor, &connector.settings);
            connector.types.iter().for_each(|inner| self::item(visitor, inner));
            connector.operations.iter().for_each(|operation| self::operation(visitor, operation));
        }
        ItemKind::Budget(budget) => settings(visitor, &budget.settings),
        ItemKind::Flow(flow) => {
            parameters(visitor, &flow.parameters);
            settings(visitor, &flow.settings);
            block(visitor, &flow.body);
        }
        ItemKind::Test(test) => test.steps.iter().for_each(|step| test_step(visitor, step)),
    }
}

pub fn operation<'a>(visitor: &mut dyn Visitor<'a>, operation: &'a OperationItem) {
    visitor.operation(operation);
    parameters(visitor, &operation.parameters);
    optional_type(visitor, operation.result.as_ref());
    settings(visitor, &operation.settings);
}

fn model_link<'a>(visitor: &mut dyn Visitor<'a>, link: &'a ModelLink) {
    if let ModelTarget::Name(name) = &link.target {
        visitor.name(name);
    }
    settings(visitor, &link.options);
}

fn prompt_item<'a>(visitor: &mut dyn Visitor<'a>, prompt: &'a PromptItem) {
    parameters(visitor, &prompt.parameters);
    optional_type(visitor, prompt.result.as_ref());
    settings(visitor, &prompt.settings);
    prompt.examples.iter().for_each(|example| settings(visitor, &example.settings));
}

fn parameters<'a>(visitor: &mut dyn Visitor<'a>, parameters: &'a [Parameter]) {
    for parameter in parameters {
        visitor.parameter(parameter);
        optional_type(visitor, parameter.ty.as_ref());
        optional_expr(visitor, parameter.default.as_ref());
    }
}

fn fields<'a>(visitor: &mut dyn Visitor<'a>, fields: &'a [FieldDeclaration]) {
    for field in fields {
        visitor.field(field);
        type_expr(visitor, &field.ty);
    }
}

fn settings<'a>(visitor: &mut dyn Visitor<'a>, settings: &'a [Setting]) {
    for setting in settings {
        visitor.setting(setting);
        phrases(visitor, &setting.phrases);
    }
}

fn phrases<'a>(visitor: &mut dyn Visitor<'a>, phrases: &'a [Phrase]) {
    phrases.iter().flat_map(|phrase| &phrase.terms).for_each(|term| self::term(visitor, term));
}

fn term<'a>(visitor: &mut dyn Visitor<'a>, term: &'a Term) {
    match term {
        Term::Expr(value) => expr(visitor, value),
        Term::Range { from, to, .. } => {
            expr(visitor, from);
            expr(visitor, to);
        }
        Term::Arrow(_) => {}
        Term::Settings { settings: inner, .. } => settings(visitor, inner),
        Term::Phrases { phrases: inner, .. } => phrases(visitor, inner),
        Term::Type(ty) => type_expr(visitor, ty),
    }
}

fn optional_type<'a>(visitor: &mut dyn Visitor<'a>, ty: Option<&'a TypeExpr>) {
    if let Some(ty) = ty {
        type_expr(visitor, ty);
    }
}

fn type_expr<'a>(visitor: &mut dyn Visitor<'a>, ty: &'a TypeExpr) {
    visitor.type_expr(ty);
    match &ty.kind {
        TypeExprKind::Named { path, .. } => visitor.path(path),
        TypeExprKind::List { of, .. } | TypeExprKind::Map { of } | TypeExprKind::Optional(of) => type_expr(visitor, of),
        TypeExprKind::Record { fields: inner } => fields(visitor, inner),
        TypeExprKind::Function { parameters, result } => {
            parameters.iter().for_each(|parameter| type_expr(visitor, parameter));
            type_expr(visitor, result);
        }
        TypeExprKind::Missing => {}
    }
}

pub fn block<'a>(visitor: &mut dyn Visitor<'a>, block: &'a Block) {
    visitor.block(block);
    block.steps.iter().for_each(|step| self::step(visitor, step));
}

fn step<'a>(visitor: &mut dyn Visitor<'a>, step: &'a Step) {
    visitor.step(step);
    match &step.kind {
        StepKind::Source { ty, call: value, modifiers: all, .. } | StepKind::Let { ty, value, modifiers: all, .. } => {
            optional_type(visitor, ty.as_ref());
            expr(visitor, value);
            modifiers(visitor, all);
        }
        StepKind::LetFor { ty, body, .. } => {
            optional_type(visitor, ty.as_ref());
            for_step(visitor, body);
        }
        StepKind::Do { call, modifiers: all } => {
            expr(visitor, call);
            modifiers(visitor, all);
        }
        StepKind::If { condition: decides, then, otherwise, .. } => {
            condition(visitor, decides);
            block(visitor, then);
            otherwise_block(visitor, otherwise.as_ref());
        }
        StepKind::Match { value, arms, otherwise } => {
            expr(visitor, value);
            for arm in arms {
                arm.patterns.iter().for_each(|pattern| expr(visitor, pattern));
                block(visitor, &arm.body);
            }
            optional_block(visitor, otherwise.as_ref());
        }
        StepKind::For(body) => for_step(visitor, body),
        StepKind::Repeat { up_to, condition: decides, body } => {
            expr(visitor, up_to);
            if let Some(decides) = decides {
                condition(visitor, decides);
            }
            block(visitor, body);
        }
        StepKind::Parallel { body } => block(visitor, body),
        StepKind::Approve { text, timeout, otherwise, .. } => {
            expr(visitor, text);
            optional_expr(visitor, timeout.as_ref());
            optional_block(visitor, otherwise.as_ref());
        }
        StepKind::Output { value, tagged } => {
            expr(visitor, value);
            optional_expr(visitor, tagged.as_ref());
        }
        StepKind::Set { value, .. }
        | StepKind::Wait { value, .. }
        | StepKind::Fail { text: value }
        | StepKind::Yield { value } => {
            expr(visitor, value);
        }
        StepKind::Stop | StepKind::Broken => {}
    }
}

fn otherwise_block<'a>(visitor: &mut dyn Visitor<'a>, otherwise: Option<&'a Otherwise>) {
    match otherwise {
        Some(Otherwise::Block(inner)) => block(visitor, inner),
        Some(Otherwise::If(inner)) => step(visitor, inner),
        None => {}
    }
}

fn optional_block<'a>(visitor: &mut dyn Visitor<'a>, inner: Option<&'a Block>) {
    if let Some(inner) = inner {
        block(visitor, inner);
    }
}

fn for_step<'a>(visitor: &mut dyn Visitor<'a>, body: &'a ForStep) {
    expr(visitor, &body.list);
    optional_expr(visitor, body.key.as_ref());
    block(visitor, &body.body);
}

fn modifiers<'a>(visitor: &mut dyn Visitor<'a>, modifiers: &'a [Modifier]) {
    for modifier in modifiers {
        visitor.modifier(modifier);
        match &modifier.kind {
            ModifierKind::Limit(value)
            | ModifierKind::Expect(value)
            | ModifierKind::Timeout(value)
            | ModifierKind::Else(value)
            | ModifierKind::Cache(value)
            | ModifierKind::Key(value) => expr(visitor, value),
            ModifierKind::Retry { times, backoff, .. } => {
                expr(visitor, times);
                if let Some((from, to)) = backoff.as_deref() {
                    expr(visitor, from);
                    expr(visitor, to);
                }
            }
            ModifierKind::Was(_) => {}
        }
    }
}

fn test_step<'a>(visitor: &mut dyn Visitor<'a>, step: &'a TestStep) {
    visitor.test_step(step);
    match &step.kind {
        TestStepKind::Given { target, value } => {
            visitor.path(target);
            let (GivenValue::Value(value) | GivenValue::Fail(value)) = value;
            expr(visitor, value);
        }
        TestStepKind::Run { call } => expr(visitor, call),
        TestStepKind::Expect { condition } => expr(visitor, condition),
        TestStepKind::ExpectCalled { target, .. } => visitor.path(target),
        TestStepKind::Broken => {}
    }
}

fn optional_expr<'a>(visitor: &mut dyn Visitor<'a>, value: Option<&'a Expr>) {
    if let Some(value) = value {
        expr(visitor, value);
    }
}

fn condition<'a>(visitor: &mut dyn Visitor<'a>, decides: &'a Expr) {
    visitor.condition(decides);
    expr(visitor, decides);
}

pub fn expr<'a>(visitor: &mut dyn Visitor<'a>, value: &'a Expr) {
    visitor.expr(value);
    match &value.kind {
        ExprKind::Text(template) => pieces(visitor, &template.pieces),
        ExprKind::Field { of, .. } | ExprKind::Unary { of, .. } | ExprKind::Parenthesized(of) => expr(visitor, of),
        ExprKind::Index { of, index } => {
            expr(visitor, of);
            expr(visitor, index);
        }
        ExprKind::Call { callee, arguments } => {
            expr(visitor, callee);
            arguments.iter().for_each(|argument| expr(visitor, &argument.value));
        }
        ExprKind::Lambda { body, .. } => expr(visitor, body),
        ExprKind::Binary { left, right, .. } => {
            expr(visitor, left);
            expr(visitor, right);
        }
        ExprKind::If { condition: decides, then, otherwise } => {
            condition(visitor, decides);
            expr(visitor, then);
            expr(visitor, otherwise);
        }
        ExprKind::List(values) => values.iter().for_each(|value| expr(visitor, value)),
        ExprKind::Record(fields) => fields.iter().for_each(|field| expr(visitor, &field.value)),
        ExprKind::As { of, ty } => {
            expr(visitor, of);
            type_expr(visitor, ty);
        }
        ExprKind::Missing
        | ExprKind::None
        | ExprKind::Bool(_)
        | ExprKind::Int(_)
        | ExprKind::Float(_)
        | ExprKind::Money(_)
        | ExprKind::Percent(_)
        | ExprKind::Duration(_)
        | ExprKind::Regex(_)
        | ExprKind::EnumValue(_)
        | ExprKind::Name(_) => {}
    }
}

fn pieces<'a>(visitor: &mut dyn Visitor<'a>, pieces: &'a [TemplatePiece]) {
    for piece in pieces {
        visitor.piece(piece);
        match piece {
            TemplatePiece::Text { text, span } => visitor.text(text, *span),
            TemplatePiece::Hole { value, .. } => expr(visitor, value),
            TemplatePiece::If { condition: decides, then, otherwise, .. } => {
                condition(visitor, decides);
                self::pieces(visitor, then);
                self::pieces(visitor, otherwise);
            }
            TemplatePiece::For { list, body, .. } => {
                expr(visitor, list);
                self::pieces(visitor, body);
            }
        }
    }
}
