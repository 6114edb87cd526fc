//! What people read.

use super::{StoredExecution, Tables};
use crate::{
    Approval, CallSample, FailedItem, HistoryRow, Kept, OutputCursor, OutputFilter, RunCursor, RunFilter, RunSummary, StepCursor,
    StoreError, StoredOutput, StoredStep,
};
use pmflow_engine::{Gather, InstanceStatus, OutputRow, Path, RunId, StepRow, StepStatus};
use pmflow_plan::{Money, Value};
use std::collections::BTreeMap;

impl StoredExecution {
    pub(super) fn yields(&self, gather: &Gather) -> Vec<Value> {
        let of_loop = |instance: &&super::StoredInstance| {
            instance.row.parent.as_ref() == Some(&gather.instance) && instance.row.parent_step.as_ref() == Some(&gather.step)
        };
        let mut yields: Vec<(u64, Value)> = self
            .instances
            .values()
            .filter(of_loop)
            .filter_map(|instance| {
                let end = instance.end.as_ref().filter(|end| end.status == InstanceStatus::Done)?;
                end.yielded.clone().map(|value| (instance.row.index, value))
            })
            .collect();
        yields.sort_by_key(|(index, _)| *index);
        yields.into_iter().map(|(_, value)| value).collect()
    }

    /// In order.
    pub(super) fn outputs_of<'e>(&'e self, owner: &'e Path) -> impl Iterator<Item = &'e OutputRow> {
        self.outputs.values().filter(move |output| output.owner == *owner)
    }
}

impl Tables {
    pub(super) fn summary(&self, number: i64, execution: &StoredExecution) -> RunSummary {
        let row = execution.row.clone();
        RunSummary {
            cursor: RunCursor(number),
            cancel_requested: self.waiting(&execution.row.id).any(|request| request.ask.kind() == "cancel"),
            id: row.id,
            plan: row.plan,
            flow: row.flow,
            status: row.status,
            sequence: row.sequence,
            created_at: row.created_at,
            changed_at: row.changed_at,
            ended_at: row.ended_at,
            failure: row.failure,
            account: row.account,
            counters: row.counters,
            simulated: execution.simulated,
            setup: execution.setup.clone(),
            holder: execution.holder(self.now),
            kept: execution.kept,
        }
    }

    pub(super) fn list_runs(&self, filter: &RunFilter, after: Option<RunCursor>, rows_max: u32) -> Vec<RunSummary> {
        let before = after.map_or(i64::MAX, |cursor| cursor.0);
        let fits = |(_, execution): &(&i64, &StoredExecution)| {
            let row = &execution.row;
            filter.flow.as_ref().is_none_or(|flow| *flow == row.flow)
                && filter.status.is_none_or(|status| status == row.status)
                && filter.from.is_none_or(|from| row.created_at >= from)
                && filter.until.is_none_or(|until| row.created_at < until)
        };
        let newest_first = self.runs.range(..before).rev().filter(fits).take(rows_max as usize);
        newest_first.map(|(number, execution)| self.summary(*number, execution)).collect()
    }

    pub(super) fn list_steps(
        &self,
        run: &RunId,
        failed_only: bool,
        after: Option<&StepCursor>,
        rows_max: u32,
    ) -> Vec<StoredStep> {
        let Ok((_, execution)) = self.execution(run) else { return Vec::new() };
        let is_behind =
            |row: &&StepRow| after.is_none_or(|cursor| (row.step.as_str(), row.attempt) > (cursor.step.as_str(), cursor.attempt));
        let wanted = execution.steps.values().filter(is_behind).filter(|row| !failed_only || row.status != StepStatus::Done);
        wanted.take(rows_max as usize).map(stored_step).collect()
    }

    pub(super) fn list_failed_items(&self, run: &RunId, after: Option<&str>, rows_max: u32) -> Vec<FailedItem> {
        let Ok((_, execution)) = self.execution(run) else { return Vec::new() };
        let failed = |instance: &super::StoredInstance| {
            let end = instance.end.as_ref().filter(|end| end.status != InstanceStatus::Done)?;
            Some(FailedItem {
                path: end.path.clone(),
                index: instance.row.index,
                status: end.status,
                failure: end.failure.clone(),
                input: end.input.clone(),
                ended_at: end.ended_at,
            })
        };
        let items = execution.instances.values().filter_map(failed);
        items.filter(|item| after.is_none_or(|after| item.path.as_str() > after)).take(rows_max as usize).collect()
    }

    pub(super) fn list_outputs(
        &self,
        filter: &OutputFilter,
        after: Option<&OutputCursor>,
        rows_max: u32,
    ) -> Result<Vec<StoredOutput>, StoreError> {
        if let Some(run) = &filter.run {
            self.execution(run)?;
        }
        let wanted = |execution: &&StoredExecution| {
            filter.run.as_ref().is_none_or(|run| *run == execution.row.id)
                && filter.flow.as_ref().is_none_or(|flow| *flow == execution.row.flow)
        };
        let fits = |output: &&OutputRow| {
            filter.tag.as_ref().is_none_or(|tag| output.tags.contains(tag))
                && filter.from.is_none_or(|from| output.at >= from)
                && filter.until.is_none_or(|until| output.at < until)
        };
        let mut found = Vec::new();
        for (number, execution) in self.runs.iter().filter(|(_, execution)| wanted(execution)) {
            for output in execution.outputs_of(&execution.root).filter(fits) {
                let cursor = OutputCursor { run: RunCursor(*number), order: output.order.clone() };
                if after.is_none_or(|after| cursor > *after) {
                    found.push(stored_output(cursor, execution, output));
                }
            }
        }
        found.truncate(rows_max as usize);
        Ok(found)
    }

    pub(super) fn list_approvals(&self, run: Option<&RunId>) -> Vec<Approval> {
        let mut open = Vec::new();
        for execution in self.runs.values().filter(|execution| run.is_none_or(|run| *run == execution.row.id)) {
            let decided = |step: &Path| {
                self.waiting(&execution.row.id)
                    .any(|request| matches!(&request.ask, crate::Ask::Decide { step: other, .. } if other == step))
            };
            for approval in execution.approvals.values() {
                if approval.closed.is_none() && !decided(&approval.row.step) {
                    open.push(open_approval(execution, approval));
                }
            }
        }
        open.sort_by_key(|approval| approval.at);
        open
    }

    pub(super) fn list_calls(&self, flow: &str, rows_max: u32) -> Vec<CallSample> {
        let newest_first = self.runs.values().rev().filter(|execution| execution.row.flow == flow && !execution.simulated);
        let mut samples = Vec::new();
        for execution in newest_first {
            let prompts = self.plans.get(&execution.row.plan.0).map(|plan| &plan.prompts);
            let answered = |step: &&StepRow| step.kind == "prompt" && step.status == StepStatus::Done && !step.from_cache;
            for step in execution.steps.values().filter(answered) {
                let (Some(prompt), Some(model)) = (&step.target, &step.model) else { continue };
                samples.push(CallSample {
                    place: step.place.clone(),
                    prompt: prompt.clone(),
                    prompt_hash: prompts.and_then(|prompts| prompts.get(prompt)).cloned(),
                    model: model.clone(),
                    usage: step.usage,
                    latency_us: u64::try_from(step.ended_at - step.started_at).unwrap_or(0),
                    cost: step.cost.unwrap_or(Money::ZERO),
                    at: step.ended_at,
                });
            }
        }
        samples.truncate(rows_max as usize);
        samples
    }

    pub(super) fn list_history(&self, flow: &str) -> Vec<HistoryRow> {
        let mut sums: BTreeMap<(String, String, Option<String>, String), HistoryRow> = BTreeMap::new();
        for execution in self.runs.values().filter(|execution| execution.row.flow == flow && !execution.simulated) {
            for step in execution.steps.values().filter(|step| step.kind == "prompt") {
                let (Some(prompt), Some(model)) = (&step.target, &step.model) else { continue };
                let prompts = self.plans.get(&execution.row.plan.0).map(|plan| &plan.prompts);
                let hash = prompts.and_then(|prompts| prompts.get(prompt)).cloned();
                let key = (step.place.clone(), prompt.clone(), hash.clone(), model.clone());
                let row = sums.entry(key).or_insert_with(|| HistoryRow {
                    flow: flow.to_owned(),
                    place: step.place.clone(),
                    prompt: prompt.clone(),
                    prompt_hash: hash,
                    model: model.clone(),
                    ..HistoryRow::default()
                });
                add_to_history(row, step);
            }
        }
        sums.into_values().collect()
    }
}

fn add_to_history(row: &mut HistoryRow, step: &StepRow) {
    if step.from_cache {
        row.cache_hits += 1;
    } else if step.status != StepStatus::Done {
        row.failures += 1;
    } else {
        let usage = step.usage.unwrap_or_default();
        let input = [usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens];
        row.calls += 1;
        row.input_tokens += input.iter().flatten().sum::<u64>();
        row.output_tokens += usage.output_tokens.unwrap_or(0);
        row.latency_us += u64::try_from(step.ended_at - step.started_at).unwrap_or(0);
        row.cost = row.cost.checked_add(step.cost.unwrap_or(Money::ZERO)).unwrap_or(row.cost);
    }
}

fn open_approval(execution: &StoredExecution, approval: &super::StoredApproval) -> Approval {
    let row = approval.row.clone();
    Approval {
        run: execution.row.id.clone(),
        flow: execution.row.flow.clone(),
        instance: row.instance,
        step: row.step,
        text: row.text,
        by: row.by,
        until: row.until,
        at: row.at,
    }
}

fn stored_output(cursor: OutputCursor, execution: &StoredExecution, output: &OutputRow) -> StoredOutput {
    StoredOutput {
        cursor,
        run: execution.row.id.clone(),
        flow: execution.row.flow.clone(),
        simulated: execution.simulated,
        instance: output.instance.clone(),
        step: output.step.clone(),
        value: (execution.kept == Kept::Whole).then(|| output.value.clone()),
        tags: output.tags.clone(),
        at: output.at,
    }
}

fn stored_step(row: &StepRow) -> StoredStep {
    let row = row.clone();
    StoredStep {
        instance: row.instance,
        step: row.step,
        place: row.place,
        attempt: row.attempt,
        kind: row.kind.to_owned(),
        target: row.target,
        status: row.status,
        started_at: row.started_at,
        ended_at: row.ended_at,
        result: row.result,
        failure: row.failure,
        model: row.model,
        usage: row.usage,
        cost: row.cost,
        from_cache: row.from_cache,
        input_key: row.input_key,
    }
}
