//! No bytes make the plan decoder panic. What it accepts is canonical, and can be priced, described and evaluated.
#![no_main]

mod tree;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use pmflow_plan::Plan;
use pmflow_plan::eval::{Context, evaluate, render};
use pmflow_plan::schema::json_schema;

/// Enough to enter every operation, little enough for many runs in a second.
const WORK_MAX: u64 = 10_000;

fuzz_target!(|bytes: &[u8]| {
    let Ok(plan) = Plan::decode(bytes, None) else { return };
    assert_eq!(plan.encode(), bytes);
    assert_eq!(Plan::decode(bytes, Some(&plan.id())).as_ref(), Ok(&plan));
    use_it(&plan);
});

// Bytes changed anywhere are hardly ever a plan again, so every second change is one of the JSON tree.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let changed = data.get(..size).filter(|_| seed.is_multiple_of(2)).and_then(|bytes| tree::change(bytes, seed));
    match changed {
        Some(changed) if changed.len() <= max_size => {
            data[..changed.len()].copy_from_slice(&changed);
            changed.len()
        }
        _ => fuzzer_mutate(data, size, max_size),
    }
});

/// Nothing here may panic; that it fails with an error of its own is fine.
fn use_it(plan: &Plan) {
    let context = Context::of(plan).work_max(WORK_MAX);
    let scope = Default::default();
    for function in plan.functions.values() {
        let _ = evaluate(&function.body, &scope, &context);
    }
    for prompt in plan.prompts.values() {
        let _ = prompt.try_ceiling(&plan.models);
        let _ = json_schema(&prompt.answer, &context.types);
        for message in &prompt.messages {
            let _ = render(&message.text, &scope, &context);
        }
    }
}
