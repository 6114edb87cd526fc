//! What is recorded of a step's attempt.

use crate::turn::{At, Turn};
use crate::write::{StepRow, StepStatus};
use crate::{Time, Write};
use pmflow_plan::{Failure, Money, StepKind, Target, Usage, Value};

#[derive(Default)]
pub(crate) struct Detail {
    /// None: when the step started.
    pub started_at: Option<Time>,
    pub result: Option<Value>,
    pub failure: Option<Failure>,
    pub model: Option<String>,
    pub usage: Option<Usage>,
    pub cost: Option<Money>,
    pub from_cache: bool,
}

impl<'a> Turn<'a> {
    /// Records the attempt that the step counted last.
    pub fn record(&mut self, at: &At<'a>, status: StepStatus, detail: Detail) {
        let is_kept = status == StepStatus::Done && crate::steps::remembers(&at.step.kind);
        let input_key = if is_kept { self.input_key(at).ok() } else { None };
        let Some(instance) = self.state.instances.get(&at.instance) else { return };
        let entry = instance.entry(&at.local);
        let (kind, target) = kind_and_target(&at.step.kind);
        let row = StepRow {
            instance: at.instance.clone(),
            step: at.path(),
            place: instance.place(&at.local),
            attempt: entry.map_or(1, |entry| entry.attempt.max(1)),
            kind,
            target: target.map(str::to_owned),
            status,
            started_at: detail.started_at.or(entry.map(|entry| entry.started_at)).unwrap_or(self.now),
            ended_at: self.now,
            result: detail.result,
            failure: detail.failure,
            model: detail.model,
            usage: detail.usage,
            cost: detail.cost,
            from_cache: detail.from_cache,
            input_key,
        };
        self.writes.push(Write::RecordStep(row));
    }

    /// Records the end of a step that makes no calls of its own.
    pub fn record_done(&mut self, at: &At<'a>, result: Option<Value>) {
        self.next_attempt(at);
        self.record(at, StepStatus::Done, Detail { result, ..Detail::default() });
    }
}

fn kind_and_target(kind: &StepKind) -> (&'static str, Option<&str>) {
    match kind {
        StepKind::Source(_) => ("source", None),
        StepKind::Let { .. } => ("let", None),
        StepKind::Call(call) => match &call.target {
            Target::Prompt(name) => ("prompt", Some(name)),
            Target::Operation(name) => ("operation", Some(name)),
            Target::Flow(name) => ("flow", Some(name)),
        },
        StepKind::If { .. } => ("if", None),
        StepKind::Match { .. } => ("match", None),
        StepKind::For(_) => ("for", None),
        StepKind::Repeat { .. } => ("repeat", None),
        StepKind::Set { .. } => ("set", None),
        StepKind::Parallel { .. } => ("parallel", None),
        StepKind::Wait(_) => ("wait", None),
        StepKind::Approve(_) => ("approve", None),
        StepKind::Output { .. } => ("output", None),
        StepKind::Fail { .. } => ("fail", None),
        StepKind::Stop => ("stop", None),
    }
}
