//! The process ends at the n-th boundary, for n = 1, 2, 3 … until a run passes without.

use pmflow_engine::{RunOptions, RunStatus};
use pmflow_plan::{OperationKind, Stage, Stream, StreamFrom, Value};
use pmflow_sim::builder::*;
use pmflow_sim::check::{check, result};
use pmflow_sim::{Faults, SeededWorld, Simulation, Troubles, simulate};
use std::sync::Arc;

const NOW: i64 = 1_800_000_000_000_000;

/// Rows, a prompt, an action and an output each, then something over all that was yielded.
fn plan() -> pmflow_plan::Plan {
    use pmflow_plan::types::Type;
    use pmflow_plan::{Expr, For, Lambda, Op, StepKind};
    let body = vec![
        step("judged", &[], call_prompt("judge", var("row"))),
        step("saved", &[0], call_operation("sim.save", field(var("judged"), "score"))),
        step("out", &[1], output(field(var("judged"), "score"))),
    ];
    let odd =
        Lambda { parameters: vec![("row".to_owned(), Type::int())], body: Box::new(op(Op::IntLt, vec![int(2), var("row")])) };
    let each = For {
        over: Stream { from: StreamFrom::Source("rows".to_owned()), stages: vec![Stage::Filter(odd)] },
        key: Some(var("row")),
        yields: Some(var("row")),
        ..each("row", Expr::Literal(Value::None), body)
    };
    PlanBuilder::default()
        .prompt(prompt("judge", judged()))
        .operation("sim.save", OperationKind::Action, Type::int())
        .operation("sim.rows", OperationKind::Source, Type::int())
        .steps(vec![
            step("rows", &[], StepKind::Source(source("sim.rows", true))),
            step("all", &[0], StepKind::For(each)),
            step("total", &[1], output(op(Op::ListSumInt, vec![var("all")]))),
        ])
        .plan
}

fn run(faults: Faults) -> Simulation {
    let plan = Arc::new(plan());
    let rows = (0..12).map(Value::Int).collect();
    let mut world = SeededWorld::new(&plan, 7, Troubles::default()).source("sim.rows", rows);
    simulate(&plan, Value::None, RunOptions::default(), &mut world, faults, NOW)
}

#[test]
fn a_crash_at_every_boundary_changes_nothing() {
    let calm = run(Faults::default());
    assert_eq!(calm.run.status(), RunStatus::Succeeded);
    assert_eq!(calm.rows.root_outputs().len(), 10);
    assert_eq!(calm.rows.root_outputs().last().map(|row| row.value.clone()), Some(Value::Int((3..12).sum())));
    let mut boundaries = 0;
    for boundary in 1.. {
        let crashed = run(Faults::at(boundary));
        let wrong = check(&crashed, &plan(), None);
        assert!(wrong.is_empty(), "boundary {boundary}: {wrong:#?}");
        assert_eq!(result(&crashed), result(&calm), "boundary {boundary}");
        if crashed.seen.crashes == 0 {
            boundaries = boundary;
            break;
        }
        let repeated: u64 = crashed.seen.operations.values().map(|calls| calls - 1).sum();
        assert!(repeated <= 4, "boundary {boundary}: one crash repeated {repeated} actions of at most 4 under way");
    }
    assert!(boundaries > 50, "only {boundaries} boundaries");
}
