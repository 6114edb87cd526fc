//! How instances and runs end.

use crate::state::{Ending, Instance, StepState};
use crate::turn::Turn;
use crate::write::{InstanceEnd, InstanceStatus};
use crate::{Command, Path, RunEnd, RunStatus, Write};
use pmflow_plan::{Failure, FailureClass, For, OnError, StepKind, Value};

impl<'a> Turn<'a> {
    /// All steps of an instance are done.
    pub fn complete(&mut self, path: &Path) {
        let Some(instance) = self.state.instances.get(path) else { return };
        let Some(parent) = instance.parent.clone() else {
            return self.end_run_as(RunStatus::Succeeded, None);
        };
        let Some(at) = self.locate(&parent.instance, &parent.step) else {
            return self.fail_instance(path, crate::failures::damaged_plan(path));
        };
        match &at.step.kind {
            StepKind::For(each) => match self.yielded(path, each) {
                Ok(yielded) => {
                    if let Some(item) = self.end_instance(path, InstanceStatus::Done, None, yielded, None) {
                        self.item_ended(&at, &item, true);
                    }
                }
                Err(failure) => {
                    self.record_item(&at, path, failure.clone());
                    self.fail_instance(path, failure);
                }
            },
            _ => {
                self.end_instance(path, InstanceStatus::Done, None, None, None);
                self.flow_done(&at, path);
            }
        }
    }

    fn yielded(&self, path: &Path, each: &For) -> Result<Option<Value>, Failure> {
        each.yields.as_ref().map(|yields| self.evaluate_in(path, yields)).transpose()
    }

    /// Looks at an instance and those around it: one that fails ends as soon as nothing below it is under way.
    pub fn conclude_failing(&mut self, path: &Path) {
        let mut next = Some(path.clone());
        while let Some(path) = next {
            let Some(instance) = self.state.instances.get(&path) else { return };
            next = instance.parent.as_ref().map(|parent| parent.instance.clone());
            if let Some(failure) = instance.memory.failing.clone()
                && self.is_quiet(&path)
            {
                self.conclude(&path, failure);
            }
        }
    }

    fn conclude(&mut self, path: &Path, failure: Failure) {
        let Some(parent) = self.state.instances.get(path).and_then(|instance| instance.parent.clone()) else {
            return self.end_with(Ending::Failed { failure });
        };
        let Some(at) = self.locate(&parent.instance, &parent.step) else {
            return self.fail_instance(&parent.instance, failure);
        };
        match &at.step.kind {
            StepKind::For(each) => match at.scope.flow.settings.on_error {
                OnError::Stop => self.fail_instance(&parent.instance, failure),
                OnError::Skip => self.drop_item(path, each, InstanceStatus::Failed, failure),
                OnError::Quarantine => self.drop_item(path, each, InstanceStatus::Quarantined, failure),
            },
            _ if self.catches(&at, &failure) => {
                self.end_below(path);
                self.end_instance(path, InstanceStatus::Failed, Some(failure.clone()), None, None);
                self.flow_failed(&at, failure);
            }
            _ => self.fail_instance(&parent.instance, failure),
        }
    }

    fn drop_item(&mut self, path: &Path, each: &For, status: InstanceStatus, failure: Failure) {
        let Some(instance) = self.state.instances.get(path) else { return };
        let Some(parent) = instance.parent.clone() else { return };
        let input = instance.memory.bindings.get(&each.variable).cloned().filter(|_| status == InstanceStatus::Quarantined);
        self.end_below(path);
        let item = self.end_instance(path, status, Some(failure), None, input);
        if let (Some(at), Some(item)) = (self.locate(&parent.instance, &parent.step), item) {
            self.item_ended(&at, &item, false);
        }
    }

    pub fn below(&self, path: &Path) -> impl Iterator<Item = &Instance> {
        let path = path.clone();
        let near = self.state.instances.range(path.clone()..).map(|(_, instance)| instance);
        let prefix = path.clone();
        let near = near.take_while(move |instance| instance.path.as_str().starts_with(prefix.as_str()));
        near.filter(move |instance| path.holds(&instance.path))
    }

    fn is_quiet(&self, path: &Path) -> bool {
        let in_flight = |instance: &Instance| instance.memory.steps.values().any(|entry| entry.state.in_flight());
        let itself = self.state.instances.get(path).is_some_and(in_flight);
        !itself && !self.below(path).any(in_flight)
    }

    fn end_below(&mut self, path: &Path) {
        let paths: Vec<Path> = self.below(path).map(|instance| instance.path.clone()).collect();
        let stopped = Failure::not_sent(FailureClass::Cancelled, format!("stopped, because `{path}` ended"));
        for path in paths.iter().rev() {
            self.end_instance(path, InstanceStatus::Failed, Some(stopped.clone()), None, None);
        }
    }

    fn end_instance(
        &mut self,
        path: &Path,
        status: InstanceStatus,
        failure: Option<Failure>,
        yielded: Option<Value>,
        input: Option<Value>,
    ) -> Option<Instance> {
        self.close_approvals(path);
        self.leave_collected(path);
        let ended = self.state.instances.remove(path);
        let moving = ended.iter().flat_map(|ended| ended.memory.steps.values()).filter(|entry| entry.state.is_moving());
        self.state.moving = self.state.moving.saturating_sub(moving.count() as u64);
        self.state.queue.retain(|_, (instance, _)| instance != path);
        self.state.turns.keep_only(&self.state.queue);
        self.forget(path);
        let end = InstanceEnd { path: path.clone(), status, failure, yielded, input, ended_at: self.now };
        self.writes.push(Write::EndInstance(end));
        ended
    }

    fn close_approvals(&mut self, path: &Path) {
        let Some(instance) = self.state.instances.get(path) else { return };
        for (local, entry) in &instance.memory.steps {
            if matches!(entry.state, StepState::Approval { .. }) {
                let step = instance.step_path(local);
                self.writes.push(Write::ApprovalClosed { step, approved: None, by: None, at: self.now });
            }
        }
    }

    pub fn end_run(&mut self, ending: &Ending) {
        match ending {
            Ending::Cancelled { by } => {
                let failure = Failure::not_sent(FailureClass::Cancelled, format!("cancelled by {by}"));
                self.end_run_as(RunStatus::Cancelled, Some(failure));
            }
            Ending::Suspended { failure } => self.end_run_as(RunStatus::Suspended, failure.clone()),
            Ending::Failed { failure } => self.end_run_as(RunStatus::Failed, Some(failure.clone())),
            Ending::Stopped => self.end_run_as(RunStatus::Succeeded, None),
            Ending::HandedOver => self.commands.push(Command::RunEnded(self.state.end())),
        }
    }

    fn end_run_as(&mut self, status: RunStatus, failure: Option<Failure>) {
        self.touch_run();
        self.state.status = status;
        self.state.failure = failure;
        self.state.ending = None;
        self.state.ended_at = (status != RunStatus::Suspended).then_some(self.now);
        if matches!(status, RunStatus::Succeeded | RunStatus::Cancelled) {
            self.end_instances(status);
        }
        self.commands.push(Command::RunEnded(self.state.end()));
    }

    /// A run that is never resumed leaves nothing open.
    fn end_instances(&mut self, status: RunStatus) {
        let root = self.state.root.clone();
        self.end_below(&root);
        let failure = self.state.failure.clone();
        let instance = if status == RunStatus::Succeeded { InstanceStatus::Done } else { InstanceStatus::Failed };
        self.end_instance(&root, instance, failure, None, None);
    }
}

impl crate::state::State {
    pub fn end(&self) -> RunEnd {
        RunEnd { status: self.status, failure: self.failure.clone(), account: self.account, counters: self.counters }
    }
}
