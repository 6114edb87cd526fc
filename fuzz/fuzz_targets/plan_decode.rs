//! No bytes make the plan decoder panic, and what it accepts is canonical.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pmflow_plan::Plan;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(plan) = Plan::decode(bytes, None) {
        assert_eq!(plan.encode(), bytes);
    }
});
