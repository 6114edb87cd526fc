//! Which steps of a block must have ended before a step starts, and which variables a loop's body reads.

use super::visit;
use pmflow_plan::{Block, Expr, OperationKind, Step, StepKind, StreamFrom, Target};
use std::collections::{BTreeMap, BTreeSet};

/// What a step does, seen from its block.
#[derive(Default)]
struct Effect {
    reads: BTreeSet<String>,
    /// Bound by it, or set in it.
    writes: BTreeSet<String>,
    /// It changes something outside, so its place among such steps is kept.
    ordered: bool,
    /// Everything before it has ended, and everything after it waits.
    barrier: bool,
}

/// Which calls change something outside: operations by kind, flows by what is in them.
pub(super) struct Writers<'a> {
    pub operations: BTreeMap<&'a str, OperationKind>,
    pub flows: BTreeMap<&'a str, bool>,
}

impl Writers<'_> {
    fn is_ordered(&self, target: &Target) -> bool {
        match target {
            Target::Prompt(_) => false,
            Target::Operation(name) => self.operations.get(name.as_str()).is_none_or(|kind| *kind == OperationKind::Action),
            Target::Flow(name) => self.flows.get(name.as_str()).copied().unwrap_or(true),
        }
    }
}

/// Fills in `after` and `captures` of a block and of all blocks in it.
pub(super) fn arrange(block: &mut Block, writers: &Writers, parallel: bool) {
    let effects: Vec<Effect> = block.steps.iter().map(|step| effect(step, writers)).collect();
    let mut order = Order::default();
    for (position, (step, effect)) in block.steps.iter_mut().zip(&effects).enumerate() {
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        step.after = order.after(position, effect, parallel);
        if let StepKind::For(looped) = &mut step.kind {
            looped.captures = captures(looped);
        }
        let inner_parallel = matches!(step.kind, StepKind::Parallel { .. });
        for inner in visit::inner_blocks_mut(&mut step.kind) {
            arrange(inner, writers, inner_parallel);
        }
    }
}

#[derive(Default)]
struct Order {
    written_by: BTreeMap<String, u32>,
    /// Since it was last written.
    read_by: BTreeMap<String, Vec<u32>>,
    last_ordered: Option<u32>,
    last_barrier: Option<u32>,
}

impl Order {
    fn after(&mut self, position: u32, effect: &Effect, parallel: bool) -> Vec<u32> {
        let mut after: BTreeSet<u32> = BTreeSet::new();
        if effect.barrier {
            let from = self.last_barrier.unwrap_or(0);
            after.extend(from..position);
            self.last_barrier = Some(position);
        } else {
            after.extend(self.last_barrier);
        }
        for name in &effect.reads {
            after.extend(self.written_by.get(name).copied());
        }
        for name in &effect.writes {
            after.extend(self.written_by.get(name).copied());
            after.extend(self.read_by.remove(name).unwrap_or_default());
            self.written_by.insert(name.clone(), position);
        }
        for name in &effect.reads {
            self.read_by.entry(name.clone()).or_default().push(position);
        }
        if effect.ordered && !parallel {
            after.extend(self.last_ordered);
            self.last_ordered = Some(position);
        }
        after.remove(&position);
        after.into_iter().collect()
    }
}

fn effect(step: &Step, writers: &Writers) -> Effect {
    let mut effect = Effect::default();
    gather(step, writers, &mut effect);
    // What its own blocks bind is nobody else's.
    let mut inner = BTreeSet::new();
    for block in visit::inner_blocks(&step.kind) {
        visit::steps(block, &mut |step| bound_by(step, &mut inner));
    }
    effect.reads.retain(|name| !inner.contains(name));
    effect.writes.retain(|name| !inner.contains(name));
    bound_by(step, &mut effect.writes);
    effect
}

fn gather(step: &Step, writers: &Writers, effect: &mut Effect) {
    visit::own_exprs(&step.kind, &mut |expr| {
        if let Expr::Var(name) = expr {
            effect.reads.insert(name.clone());
        }
    });
    match &step.kind {
        StepKind::For(looped) => {
            if let StreamFrom::Source(source) = &looped.over.from {
                effect.reads.insert(source.clone());
            }
        }
        StepKind::Set { variable, .. } => {
            effect.writes.insert(variable.clone());
        }
        StepKind::Call(call) => effect.ordered |= writers.is_ordered(&call.target),
        StepKind::Wait(_) | StepKind::Approve(_) | StepKind::Fail { .. } | StepKind::Stop => effect.barrier = true,
        _ => {}
    }
    let item_by_item = matches!(step.kind, StepKind::For(_));
    for block in visit::inner_blocks(&step.kind) {
        for inner in &block.steps {
            let mut below = Effect::default();
            gather(inner, writers, &mut below);
            effect.reads.extend(below.reads);
            effect.writes.extend(below.writes);
            effect.ordered |= below.ordered;
            // An item that waits or fails holds up nobody but itself; a `stop` ends the run from wherever it stands.
            effect.barrier |= below.barrier && (!item_by_item || stops(inner));
        }
    }
}

fn stops(step: &Step) -> bool {
    let inner = visit::inner_blocks(&step.kind);
    matches!(step.kind, StepKind::Stop) || inner.into_iter().any(|block| block.steps.iter().any(stops))
}

/// The variables that a step makes: its result, and a loop's own.
fn bound_by(step: &Step, names: &mut BTreeSet<String>) {
    match &step.kind {
        StepKind::Source(_) | StepKind::Let { .. } | StepKind::Call(_) => {
            names.insert(step.name.clone());
        }
        StepKind::For(looped) => {
            names.insert(looped.variable.clone());
            if looped.yields.is_some() {
                names.insert(step.name.clone());
            }
        }
        _ => {}
    }
}

/// Variables of the enclosing scopes that the body reads.
fn captures(looped: &pmflow_plan::For) -> Vec<String> {
    let mut read = BTreeSet::new();
    let mut bound = BTreeSet::from([looped.variable.clone()]);
    let mut look = |expr: &Expr| match expr {
        Expr::Var(name) => {
            read.insert(name.clone());
        }
        Expr::Lambda(lambda) => bound.extend(lambda.parameters.iter().map(|(name, _)| name.clone())),
        Expr::Template(pieces) => template_variables(pieces, &mut bound),
        _ => {}
    };
    for expr in looped.key.iter().chain(&looped.yields) {
        visit::expr(expr, &mut look);
    }
    visit::steps(&looped.body, &mut |step| visit::own_exprs(&step.kind, &mut look));
    visit::steps(&looped.body, &mut |step| {
        bound_by(step, &mut bound);
        if let StepKind::For(inner) = &step.kind {
            stage_parameters(inner, &mut bound);
        }
    });
    read.into_iter().filter(|name| !bound.contains(name)).collect()
}

fn stage_parameters(looped: &pmflow_plan::For, bound: &mut BTreeSet<String>) {
    for stage in &looped.over.stages {
        if let pmflow_plan::Stage::Filter(lambda) | pmflow_plan::Stage::Map(lambda) = stage {
            bound.extend(lambda.parameters.iter().map(|(name, _)| name.clone()));
        }
    }
}

fn template_variables(pieces: &[pmflow_plan::Piece], bound: &mut BTreeSet<String>) {
    for piece in pieces {
        match piece {
            pmflow_plan::Piece::For { variable, body, .. } => {
                bound.insert(variable.clone());
                template_variables(body, bound);
            }
            pmflow_plan::Piece::If { then, otherwise, .. } => {
                template_variables(then, bound);
                template_variables(otherwise, bound);
            }
            _ => {}
        }
    }
}
