//! The estimate for programs. `docs/cost.md` describes the shape.

use super::place;
use crate::cost::estimate::Estimate;
use crate::cost::recommend::Recommendation;
use pmflow_plan::SourceMap;
use serde_json::{Value, json};

/// Raised when a field changes its meaning or goes away; new fields may come at any time.
pub const VERSION: u32 = 1;

pub fn json(estimate: &Estimate, recommendations: &[Recommendation], map: &SourceMap) -> Value {
    let at = |path: &str| json!(place(map, path));
    let nodes: Vec<Value> = estimate.nodes.iter().map(|node| with_place(json!(node), at(&node.path))).collect();
    let prompts = estimate.prompts.iter().map(|prompt| with_place(json!(prompt), at(&format!("prompt:{}", prompt.prompt))));
    let findings = estimate.findings.iter().map(|finding| with_place(json!(finding), at(&finding.path)));
    json!({
        "version": VERSION,
        "flow": estimate.flow,
        "catalog": estimate.catalog,
        "run": estimate.run,
        "interval": estimate.interval,
        "seen": estimate.seen,
        "rate": estimate.rate,
        "day": estimate.day,
        "month": estimate.month,
        "prompts": prompts.collect::<Vec<_>>(),
        "symbols": estimate.symbols,
        "budget": estimate.verdicts,
        "rests_on": estimate.assumptions,
        "findings": findings.collect::<Vec<_>>(),
        "recommendations": recommendations,
        "nodes": nodes,
    })
}

fn with_place(mut value: Value, place: Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.insert("place".to_owned(), place);
    }
    value
}
