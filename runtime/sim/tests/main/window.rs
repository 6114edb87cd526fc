//! A loop costs the same over ten rows and over many.

use pmflow_engine::{RunOptions, RunStatus};
use pmflow_plan::types::Type;
use pmflow_plan::{Expr, For, OperationKind, Plan, StepKind, Stream, StreamFrom, Value};
use pmflow_sim::builder::*;
use pmflow_sim::check::check;
use pmflow_sim::{Faults, SeededWorld, Simulation, Troubles, simulate};
use std::sync::Arc;

const NOW: i64 = 1_800_000_000_000_000;

fn plan(list: Option<Expr>) -> Plan {
    let body = vec![step("judged", &[], call_prompt("judge", var("row"))), step("out", &[0], output(var("row")))];
    let each = each("row", list.clone().unwrap_or(Expr::Literal(Value::None)), body);
    let each = match list {
        Some(_) => each,
        None => For { over: Stream { from: StreamFrom::Source("rows".to_owned()), stages: Vec::new() }, ..each },
    };
    PlanBuilder::default()
        .prompt(prompt("judge", judged()))
        .operation("sim.rows", OperationKind::Source, Type::int())
        .steps(vec![step("rows", &[], StepKind::Source(source("sim.rows", true))), step("each", &[0], StepKind::For(each))])
        .plan
}

fn run(plan: Plan, count: i64) -> Simulation {
    let plan = Arc::new(plan);
    let rows = (0..count).map(Value::Int).collect();
    let mut world = SeededWorld::new(&plan, 3, Troubles::default()).source("sim.rows", rows);
    let simulation = simulate(&plan, Value::None, RunOptions::default(), &mut world, Faults::default(), NOW);
    let wrong = check(&simulation, &plan, None);
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(simulation.run.status(), RunStatus::Succeeded);
    assert_eq!(simulation.rows.root_outputs().len() as i64, count);
    simulation
}

#[test]
fn a_loops_state_does_not_grow_with_its_rows() {
    for streamed in [true, false] {
        let list = |count| (!streamed).then(|| ints(0..count));
        let (few, many) = (run(plan(list(40)), 40), run(plan(list(2_000)), 2_000));
        let (small, large) = (few.rows.root_state_bytes_max, many.rows.root_state_bytes_max);
        assert!(large < small + 200, "streamed {streamed}: {small} bytes for 40 rows, {large} for 2,000");
        assert!(many.seen.live_instances_max <= 40, "{} instances were alive at once", many.seen.live_instances_max);
    }
}
