//! Walking through what a plan is made of.

use pmflow_plan::{Block, Call, Expr, For, Piece, SourceFrom, Stage, Step, StepKind, StreamFrom, Type, Wait};

/// Every expression in an expression, the outer before the inner.
pub(crate) fn expr(root: &Expr, look: &mut dyn FnMut(&Expr)) {
    look(root);
    match root {
        Expr::Literal(_) | Expr::Var(_) => {}
        Expr::Field { of, .. } | Expr::OptionalField { of, .. } | Expr::Cast { of, .. } => expr(of, look),
        Expr::Index { of, index } => [of, index].into_iter().for_each(|part| expr(part, look)),
        Expr::Record(fields) => fields.iter().for_each(|(_, value)| expr(value, look)),
        Expr::List(items) => items.iter().for_each(|item| expr(item, look)),
        Expr::If { condition, then, otherwise } => [condition, then, otherwise].into_iter().for_each(|part| expr(part, look)),
        Expr::Otherwise { of, otherwise } => [of, otherwise].into_iter().for_each(|part| expr(part, look)),
        Expr::And(a, b) | Expr::Or(a, b) => [a, b].into_iter().for_each(|part| expr(part, look)),
        Expr::Call { arguments, .. } | Expr::Op { arguments, .. } => arguments.iter().for_each(|argument| expr(argument, look)),
        Expr::Lambda(lambda) => expr(&lambda.body, look),
        Expr::Template(parts) => pieces(parts, look),
    }
}

pub(crate) fn pieces(parts: &[Piece], look: &mut dyn FnMut(&Expr)) {
    for piece in parts {
        match piece {
            Piece::Text(_) => {}
            Piece::Hole { value, .. } => expr(value, look),
            Piece::If { condition, then, otherwise } => {
                expr(condition, look);
                pieces(then, look);
                pieces(otherwise, look);
            }
            Piece::For { list, body, .. } => {
                expr(list, look);
                pieces(body, look);
            }
        }
    }
}

/// As [`expr`], to change them; the inner before the outer.
pub(crate) fn expr_mut(root: &mut Expr, change: &mut dyn FnMut(&mut Expr)) {
    match root {
        Expr::Literal(_) | Expr::Var(_) => {}
        Expr::Field { of, .. } | Expr::OptionalField { of, .. } | Expr::Cast { of, .. } => expr_mut(of, change),
        Expr::Index { of, index } => [of, index].into_iter().for_each(|part| expr_mut(part, change)),
        Expr::Record(fields) => fields.iter_mut().for_each(|(_, value)| expr_mut(value, change)),
        Expr::List(items) => items.iter_mut().for_each(|item| expr_mut(item, change)),
        Expr::If { condition, then, otherwise } => {
            [condition, then, otherwise].into_iter().for_each(|part| expr_mut(part, change))
        }
        Expr::Otherwise { of, otherwise } => [of, otherwise].into_iter().for_each(|part| expr_mut(part, change)),
        Expr::And(a, b) | Expr::Or(a, b) => [a, b].into_iter().for_each(|part| expr_mut(part, change)),
        Expr::Call { arguments, .. } | Expr::Op { arguments, .. } => {
            arguments.iter_mut().for_each(|argument| expr_mut(argument, change))
        }
        Expr::Lambda(lambda) => expr_mut(&mut lambda.body, change),
        Expr::Template(parts) => pieces_mut(parts, change),
    }
    change(root);
}

pub(crate) fn pieces_mut(parts: &mut [Piece], change: &mut dyn FnMut(&mut Expr)) {
    for piece in parts {
        match piece {
            Piece::Text(_) => {}
            Piece::Hole { value, .. } => expr_mut(value, change),
            Piece::If { condition, then, otherwise } => {
                expr_mut(condition, change);
                pieces_mut(then, change);
                pieces_mut(otherwise, change);
            }
            Piece::For { list, body, .. } => {
                expr_mut(list, change);
                pieces_mut(body, change);
            }
        }
    }
}

/// The expressions of a step itself, without those of the blocks in it.
pub(crate) fn own_exprs(kind: &StepKind, look: &mut dyn FnMut(&Expr)) {
    match kind {
        StepKind::Source(source) => match &source.from {
            SourceFrom::File(file) => expr(&file.path, look),
            SourceFrom::Operation { arguments, .. } => arguments.values().for_each(|value| expr(value, look)),
        },
        StepKind::Let { value } | StepKind::Set { value, .. } | StepKind::Fail { text: value } => expr(value, look),
        StepKind::Call(call) => call_exprs(call).into_iter().for_each(|value| expr(value, look)),
        StepKind::If { condition, .. } | StepKind::Repeat { condition, .. } => expr(condition, look),
        StepKind::Match { value, .. } => expr(value, look),
        StepKind::For(looped) => {
            for_exprs(looped).into_iter().for_each(|value| expr(value, look));
        }
        StepKind::Wait(Wait::For(value) | Wait::Until(value)) => expr(value, look),
        StepKind::Approve(approve) => expr(&approve.text, look),
        StepKind::Output { value, tags } => {
            expr(value, look);
            tags.iter().for_each(|tag| expr(tag, look));
        }
        StepKind::Parallel { .. } | StepKind::Stop => {}
    }
}

fn call_exprs(call: &Call) -> Vec<&Expr> {
    call.arguments.values().chain(&call.otherwise).chain(&call.key).collect()
}

fn for_exprs(looped: &For) -> Vec<&Expr> {
    let mut exprs = Vec::new();
    if let StreamFrom::List(list) = &looped.over.from {
        exprs.push(list);
    }
    for stage in &looped.over.stages {
        if let Stage::Filter(lambda) | Stage::Map(lambda) = stage {
            exprs.push(&lambda.body);
        }
    }
    exprs.extend(looped.key.iter().chain(&looped.yields));
    exprs
}

pub(crate) fn own_exprs_mut(kind: &mut StepKind, change: &mut dyn FnMut(&mut Expr)) {
    match kind {
        StepKind::Source(source) => match &mut source.from {
            SourceFrom::File(file) => expr_mut(&mut file.path, change),
            SourceFrom::Operation { arguments, .. } => arguments.values_mut().for_each(|value| expr_mut(value, change)),
        },
        StepKind::Let { value } | StepKind::Set { value, .. } | StepKind::Fail { text: value } => expr_mut(value, change),
        StepKind::Call(call) => {
            call.arguments.values_mut().chain(&mut call.otherwise).chain(&mut call.key).for_each(|value| expr_mut(value, change));
        }
        StepKind::If { condition, .. } | StepKind::Repeat { condition, .. } => expr_mut(condition, change),
        StepKind::Match { value, .. } => expr_mut(value, change),
        StepKind::For(looped) => {
            if let StreamFrom::List(list) = &mut looped.over.from {
                expr_mut(list, change);
            }
            for stage in &mut looped.over.stages {
                if let Stage::Filter(lambda) | Stage::Map(lambda) = stage {
                    expr_mut(&mut lambda.body, change);
                }
            }
            looped.key.iter_mut().chain(&mut looped.yields).for_each(|value| expr_mut(value, change));
        }
        StepKind::Wait(Wait::For(value) | Wait::Until(value)) => expr_mut(value, change),
        StepKind::Approve(approve) => expr_mut(&mut approve.text, change),
        StepKind::Output { value, tags } => {
            expr_mut(value, change);
            tags.iter_mut().for_each(|tag| expr_mut(tag, change));
        }
        StepKind::Parallel { .. } | StepKind::Stop => {}
    }
}

pub(crate) fn inner_blocks(kind: &StepKind) -> Vec<&Block> {
    match kind {
        StepKind::If { then, otherwise, .. } => vec![then, otherwise],
        StepKind::Match { arms, otherwise, .. } => arms.iter().map(|arm| &arm.body).chain(otherwise).collect(),
        StepKind::For(looped) => vec![&looped.body],
        StepKind::Repeat { body, .. } | StepKind::Parallel { body } => vec![body],
        StepKind::Approve(approve) => approve.otherwise.iter().collect(),
        _ => Vec::new(),
    }
}

pub(crate) fn inner_blocks_mut(kind: &mut StepKind) -> Vec<&mut Block> {
    match kind {
        StepKind::If { then, otherwise, .. } => vec![then, otherwise],
        StepKind::Match { arms, otherwise, .. } => arms.iter_mut().map(|arm| &mut arm.body).chain(otherwise).collect(),
        StepKind::For(looped) => vec![&mut looped.body],
        StepKind::Repeat { body, .. } | StepKind::Parallel { body } => vec![body],
        StepKind::Approve(approve) => approve.otherwise.iter_mut().collect(),
        _ => Vec::new(),
    }
}

/// Every step of a block and of the blocks in it.
pub(crate) fn steps(block: &Block, look: &mut dyn FnMut(&Step)) {
    for step in &block.steps {
        look(step);
        inner_blocks(&step.kind).into_iter().for_each(|block| steps(block, look));
    }
}

pub(crate) fn steps_mut(block: &mut Block, change: &mut dyn FnMut(&mut Step)) {
    for step in &mut block.steps {
        change(step);
        inner_blocks_mut(&mut step.kind).into_iter().for_each(|block| steps_mut(block, change));
    }
}

/// Every variable's occurrences give way to the value.
pub(crate) fn replace_variable(root: &mut Expr, name: &str, value: &Expr) {
    expr_mut(root, &mut |part| {
        if matches!(part, Expr::Var(variable) if variable == name) {
            *part = value.clone();
        }
    });
}

/// The names of declared types in a type.
pub(crate) fn named_types(ty: &Type, look: &mut dyn FnMut(&str)) {
    match ty {
        Type::Named(name) => look(name),
        Type::List { of, .. } | Type::Map(of) | Type::Optional(of) => named_types(of, look),
        Type::Record(fields) => fields.iter().for_each(|field| named_types(&field.ty, look)),
        _ => {}
    }
}

pub(crate) fn named_types_mut(ty: &mut Type, change: &mut dyn FnMut(&mut String)) {
    match ty {
        Type::Named(name) => change(name),
        Type::List { of, .. } | Type::Map(of) | Type::Optional(of) => named_types_mut(of, change),
        Type::Record(fields) => fields.iter_mut().for_each(|field| named_types_mut(&mut field.ty, change)),
        _ => {}
    }
}
