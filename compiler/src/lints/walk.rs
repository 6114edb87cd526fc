//! Visits everything inside an item, in the order in which it is written.

use crate::Span;
use crate::syntax::ast::*;

/// Called for each node before its parts; every method does nothing unless a lint says otherwise.
pub(super) trait Visitor {
    fn expr(&mut self, _expr: &Expr) {}
    /// A name or `a.b` outside of an expression: a type, the target of a `given`.
    fn path(&mut self, _path: &Path) {}
    fn block(&mut self, _block: &Block) {}
    fn step(&mut self, _step: &Step) {}
    fn setting(&mut self, _setting: &Setting) {}
    /// A condition of an `if`, a loop or a template.
    fn condition(&mut self, _condition: &Expr) {}
    /// The constant text between two holes, escapes resolved.
    fn text(&mut self, _text: &str, _span: Span) {}
}

pub(super) fn item(visitor: &mut dyn Visitor, item: &Item) {
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

pub(super) fn operation(visitor: &mut dyn Visitor, operation: &OperationItem) {
    parameters(visitor, &operation.parameters);
    optional_type(visitor, operation.result.as_ref());
    settings(visitor, &operation.settings);
}

fn model_link(visitor: &mut dyn Visitor, link: &ModelLink) {
    if let ModelTarget::Name(name) = &link.target {
        visitor.path(&Path { names: vec![name.clone()], span: name.span });
    }
    settings(visitor, &link.options);
}

fn prompt_item(visitor: &mut dyn Visitor, prompt: &PromptItem) {
    parameters(visitor, &prompt.parameters);
    optional_type(visitor, prompt.result.as_ref());
    settings(visitor, &prompt.settings);
    prompt.examples.iter().for_each(|example| settings(visitor, &example.settings));
}

fn parameters(visitor: &mut dyn Visitor, parameters: &[Parameter]) {
    for parameter in parameters {
        optional_type(visitor, parameter.ty.as_ref());
        optional_expr(visitor, parameter.default.as_ref());
    }
}

fn fields(visitor: &mut dyn Visitor, fields: &[FieldDeclaration]) {
    fields.iter().for_each(|field| type_expr(visitor, &field.ty));
}

fn settings(visitor: &mut dyn Visitor, settings: &[Setting]) {
    for setting in settings {
        visitor.setting(setting);
        phrases(visitor, &setting.phrases);
    }
}

fn phrases(visitor: &mut dyn Visitor, phrases: &[Phrase]) {
    phrases.iter().flat_map(|phrase| &phrase.terms).for_each(|term| self::term(visitor, term));
}

fn term(visitor: &mut dyn Visitor, term: &Term) {
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

fn optional_type(visitor: &mut dyn Visitor, ty: Option<&TypeExpr>) {
    if let Some(ty) = ty {
        type_expr(visitor, ty);
    }
}

fn type_expr(visitor: &mut dyn Visitor, ty: &TypeExpr) {
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

pub(super) fn block(visitor: &mut dyn Visitor, block: &Block) {
    visitor.block(block);
    block.steps.iter().for_each(|step| self::step(visitor, step));
}

fn step(visitor: &mut dyn Visitor, step: &Step) {
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

fn otherwise_block(visitor: &mut dyn Visitor, otherwise: Option<&Otherwise>) {
    match otherwise {
        Some(Otherwise::Block(inner)) => block(visitor, inner),
        Some(Otherwise::If(inner)) => step(visitor, inner),
        None => {}
    }
}

fn optional_block(visitor: &mut dyn Visitor, inner: Option<&Block>) {
    if let Some(inner) = inner {
        block(visitor, inner);
    }
}

fn for_step(visitor: &mut dyn Visitor, body: &ForStep) {
    expr(visitor, &body.list);
    optional_expr(visitor, body.key.as_ref());
    block(visitor, &body.body);
}

fn modifiers(visitor: &mut dyn Visitor, modifiers: &[Modifier]) {
    for modifier in modifiers {
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

fn test_step(visitor: &mut dyn Visitor, step: &TestStep) {
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

fn optional_expr(visitor: &mut dyn Visitor, value: Option<&Expr>) {
    if let Some(value) = value {
        expr(visitor, value);
    }
}

fn condition(visitor: &mut dyn Visitor, decides: &Expr) {
    visitor.condition(decides);
    expr(visitor, decides);
}

pub(super) fn expr(visitor: &mut dyn Visitor, value: &Expr) {
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

fn pieces(visitor: &mut dyn Visitor, pieces: &[TemplatePiece]) {
    for piece in pieces {
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
