//! A call of another flow: an instance of its own, whose outputs are the call's value.

use crate::failures;
use crate::retry::{self, Next};
use crate::state::{Bindings, BlockRef, FlowState, Instance, Memory, Parent, STATE_FORMAT, StepState};
use crate::step_records::Detail;
use crate::steps::backoff_purpose;
use crate::turn::{At, Turn};
use crate::write::{InstanceStatus, StepStatus};
use crate::{Command, Gather, GatherOf, Path, Write};
use pmflow_plan::{Call, Failure, Flow, StepKind, Target, Value};
use std::collections::BTreeMap;

/// Flows that call flows: the checker allows no circle, so this is never met by a plan that it made.
const DEPTH_MAX: u32 = 64;

impl<'a> Turn<'a> {
    pub fn start_flow(&mut self, at: &At<'a>, call: &'a Call, tried: u32) {
        match self.called_flow(at, call) {
            Ok((flow, bindings, depth)) => {
                // The entry exists from here on, so that its tries are counted.
                self.enter(at, StepState::Again);
                let path = at.path().attempt(self.next_attempt(at));
                self.insert_flow(at, flow, path.clone(), bindings, depth);
                self.enter(at, StepState::Flow(FlowState { tried, child: path.clone(), gathering: false, backoff: None }));
                self.wake(&path);
            }
            Err(failure) => self.fail(at, failure, false),
        }
    }

    fn called_flow(&self, at: &At<'a>, call: &'a Call) -> Result<(&'a Flow, BTreeMap<String, Value>, u32), Failure> {
        let Target::Flow(name) = &call.target else { return Err(failures::damaged_plan(&at.path())) };
        let flow = self.plan.flows.get(name).ok_or_else(|| failures::missing("flow", name))?;
        let depth = self.state.instances.get(&at.instance).map_or(0, |instance| instance.memory.depth) + 1;
        if depth > DEPTH_MAX {
            return Err(failures::too_deep());
        }
        let arguments = self.arguments(at, &call.arguments, &flow.parameters)?;
        let bindings = arguments.fields.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        Ok((flow, bindings, depth))
    }

    fn insert_flow(&mut self, at: &At<'a>, flow: &'a Flow, path: Path, bindings: BTreeMap<String, Value>, depth: u32) {
        let deadline = flow.settings.timeout_ms.map(|milliseconds| self.after_ms(milliseconds));
        let memory = Memory {
            format: STATE_FORMAT,
            body: BlockRef::flow(&flow.name),
            order: String::new(),
            place: flow.name.clone(),
            owner: path.clone(),
            depth,
            steps: BTreeMap::new(),
            bindings: Bindings::default(),
            failing: None,
            deadline,
        };
        let instance = Instance {
            path: path.clone(),
            parent: Some(Parent { instance: at.instance.clone(), step: at.local.clone() }),
            index: 0,
            status: InstanceStatus::Running,
            started_at: self.now,
            memory,
            asleep: false,
            stirred: false,
        };
        // It may be done before this transition ends, and its row has to be there to end.
        self.writes.push(Write::PutInstance(instance.row()));
        self.state.instances.insert(path.clone(), instance);
        for (name, value) in bindings {
            self.bind(&path, &name, value);
        }
        self.touch(&path);
        if let Some(deadline) = deadline {
            self.commands.push(crate::steps::timer(&path, &path, "timeout", deadline));
        }
    }

    /// The called flow is done: its outputs are asked for.
    pub fn flow_done(&mut self, at: &At<'a>, child: &Path) {
        let Some(StepState::Flow(state)) = self.step_state(at) else { return };
        state.gathering = true;
        self.commands.push(gather(&at.instance, at.path(), child));
    }

    pub fn flow_gathered(&mut self, at: &At<'a>, values: Vec<Value>) {
        let value = Value::list(values);
        self.record(at, StepStatus::Done, Detail::default());
        self.done(at, Some(value));
    }

    /// Whether the caller goes on after a failure of the flow that it called: another try, or its `else`.
    pub fn catches(&self, at: &At<'a>, failure: &Failure) -> bool {
        let StepKind::Call(call) = &at.step.kind else { return false };
        call.otherwise.is_some() || self.flow_retry(at, call, failure) != Next::Exhausted
    }

    fn flow_retry(&self, at: &At<'a>, call: &'a Call, failure: &Failure) -> Next {
        let tried = match self.entry(at).map(|entry| &entry.state) {
            Some(StepState::Flow(state)) => state.tried,
            _ => return Next::Exhausted,
        };
        let seed = format!("{} {}", self.state.id, at.path());
        retry::next(failure, call.retry.as_ref(), tried, (0, 0), &seed)
    }

    /// The called flow failed, everything below it has ended, and the caller goes on.
    pub fn flow_failed(&mut self, at: &At<'a>, failure: Failure) {
        let StepKind::Call(call) = &at.step.kind else { return };
        let next = self.flow_retry(at, call, &failure);
        let now = self.now;
        match (next, self.step_state(at)) {
            (Next::PutOff { delay_ms } | Next::Again { delay_ms }, Some(StepState::Flow(state))) => {
                state.tried += 1;
                let until = crate::steps::later(now, delay_ms);
                state.backoff = Some(until);
                self.record(at, StepStatus::Retried, Detail { failure: Some(failure), ..Detail::default() });
                self.start_timer(at, &backoff_purpose(until), until);
            }
            _ => self.call_failed(at, call, failure, Detail::default()),
        }
    }
}

pub(crate) fn gather(instance: &Path, step: Path, child: &Path) -> Command {
    Command::Gather(Gather { instance: instance.clone(), step, of: GatherOf::Outputs { owner: child.clone() } })
}
