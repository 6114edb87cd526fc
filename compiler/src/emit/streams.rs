//! Sources whose rows can be pulled by the one loop that uses them, instead of being kept in memory.

use super::visit;
use pmflow_plan::{Block, Expr, For, Op, Stage, StepKind, Stream, StreamFrom, Value};
use std::collections::BTreeMap;

/// A source is streamed when all that is ever done with it is one loop of its own block, over it or over its rows filtered,
/// mapped, skipped and taken.
pub(super) fn stream(block: &mut Block) {
    let mut uses: BTreeMap<String, u32> = BTreeMap::new();
    count_uses(block, &mut uses);
    stream_block(block, &uses);
}

fn count_uses(block: &Block, uses: &mut BTreeMap<String, u32>) {
    visit::steps(block, &mut |step| {
        visit::own_exprs(&step.kind, &mut |expr| {
            if let Expr::Var(name) = expr {
                *uses.entry(name.clone()).or_insert(0) += 1;
            }
        });
    });
}

fn stream_block(block: &mut Block, uses: &BTreeMap<String, u32>) {
    let is_source =
        |name: &str, block: &Block| block.steps.iter().any(|step| step.name == name && matches!(step.kind, StepKind::Source(_)));
    let mut streamed = Vec::new();
    for position in 0..block.steps.len() {
        let found = block.steps.get(position).and_then(|step| match &step.kind {
            StepKind::For(looped) => {
                stages_of(looped).filter(|(source, _)| uses.get(source) == Some(&1) && is_source(source, block))
            }
            _ => None,
        });
        let Some((source, stages)) = found else { continue };
        if let Some(StepKind::For(looped)) = block.steps.get_mut(position).map(|step| &mut step.kind) {
            looped.over = Stream { from: StreamFrom::Source(source.clone()), stages };
            streamed.push(source);
        }
    }
    for step in &mut block.steps {
        if let StepKind::Source(source) = &mut step.kind {
            source.streamed = streamed.contains(&step.name);
        }
        visit::inner_blocks_mut(&mut step.kind).into_iter().for_each(|inner| stream_block(inner, uses));
    }
}

fn stages_of(looped: &For) -> Option<(String, Vec<Stage>)> {
    let StreamFrom::List(list) = &looped.over.from else { return None };
    let mut stages = Vec::new();
    let mut at = list;
    loop {
        match at {
            Expr::Var(name) => {
                stages.reverse();
                return Some((name.clone(), stages));
            }
            Expr::Op { op, arguments } => {
                let (base, argument) = (arguments.first()?, arguments.get(1)?);
                stages.push(stage(*op, argument)?);
                at = base;
            }
            _ => return None,
        }
    }
}

fn stage(op: Op, argument: &Expr) -> Option<Stage> {
    let count = |argument: &Expr| match argument {
        Expr::Literal(Value::Int(number)) => u64::try_from(*number).ok(),
        _ => None,
    };
    match (op, argument) {
        (Op::ListFilter, Expr::Lambda(lambda)) => Some(Stage::Filter(lambda.clone())),
        (Op::ListMap, Expr::Lambda(lambda)) => Some(Stage::Map(lambda.clone())),
        (Op::ListTake, argument) => count(argument).map(Stage::Take),
        (Op::ListSkip, argument) => count(argument).map(Stage::Skip),
        _ => None,
    }
}
