//! One application of one event: what it reads, what it changes, what it owes in the end.

use crate::state::{Arm, Batched, BlockRef, Ending, Instance, NESTING_MAX, StepEntry, StepState, nested_block, ordinal};
use crate::step_records::Detail;
use crate::write::{InstanceStatus, StepStatus};
use crate::{Command, Path, Time, Transition, Write};
use pmflow_plan::eval::Context;
use pmflow_plan::{Block, Failure, Flow, Plan, Step, Value};
use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use crate::path::escaped;
use crate::state::State;

/// What a step's state counts for in the run's own numbers.
#[derive(Default)]
struct Awaited {
    in_flight: u64,
    submitted: u64,
    moving: u64,
    collects: bool,
}

impl Awaited {
    fn of(state: &StepState) -> Awaited {
        Awaited {
            in_flight: u64::from(state.in_flight()),
            submitted: u64::from(state.is_submitted()),
            moving: u64::from(state.is_moving()),
            collects: state.batch() == Some(&Batched::Collecting),
        }
    }
}

pub(crate) struct Turn<'a> {
    pub plan: &'a Plan,
    pub context: Context<'a>,
    pub state: &'a mut State,
    pub now: Time,
    pub writes: Vec<Write>,
    pub commands: Vec<Command>,
    /// Instances whose rows have to be written.
    dirty: BTreeSet<Path>,
    /// Instances that may go on.
    agenda: VecDeque<Path>,
    run_changed: bool,
    /// Something may not go on, from this turn on.
    pub halting: bool,
    /// A call waits for money that others hold.
    pub is_short: bool,
}

/// A block while it is executed.
pub(crate) struct Scope<'a> {
    pub flow: &'a Flow,
    pub block: &'a Block,
    pub reference: BlockRef,
    /// Before the names of its steps: empty, or `if_spam/`, or `draft[0]/`.
    pub prefix: String,
    pub order: String,
    /// The enclosing `repeat` of the same instance.
    pub repeat: Option<String>,
    pub depth: usize,
}

/// A step and where it stands.
#[derive(Clone)]
pub(crate) struct At<'a> {
    pub instance: Path,
    pub local: String,
    pub scope: Rc<Scope<'a>>,
    pub position: u32,
    pub step: &'a Step,
}

impl<'a> Turn<'a> {
    pub fn new(plan: &'a Plan, context: Context<'a>, state: &'a mut State, now: Time) -> Turn<'a> {
        Turn {
            plan,
            context,
            state,
            now,
            writes: Vec::new(),
            commands: Vec::new(),
            dirty: BTreeSet::new(),
            agenda: VecDeque::new(),
            run_changed: false,
            halting: false,
            is_short: false,
        }
    }

    /// Goes on with everything that may, and gives what is to be committed and dispatched.
    pub fn finish(mut self) -> Transition {
        self.settle();
        if self.writes.is_empty() && self.dirty.is_empty() && !self.run_changed {
            return Transition { writes: Vec::new(), commands: self.commands };
        }
        self.state.sequence += 1;
        self.state.changed_at = self.now;
        let mut writes = vec![Write::PutRun(self.state.row(self.plan))];
        writes.append(&mut self.writes);
        for path in &self.dirty {
            writes.extend(self.state.instances.get(path).map(|instance| Write::PutInstance(instance.row())));
        }
        Transition { writes, commands: self.commands }
    }

    /// The instance's row has to be written.
    pub fn touch(&mut self, instance: &Path) {
        self.dirty.insert(instance.clone());
    }

    /// The run's row has to be written.
    pub fn touch_run(&mut self) {
        self.run_changed = true;
    }

    /// The instance may be able to go on.
    pub fn wake(&mut self, instance: &Path) {
        if !self.agenda.contains(instance) {
            self.agenda.push_back(instance.clone());
        }
    }

    pub fn wake_all(&mut self) {
        let paths: Vec<Path> = self.state.instances.keys().cloned().collect();
        for path in &paths {
            self.wake(path);
        }
    }

    pub fn forget(&mut self, instance: &Path) {
        self.dirty.remove(instance);
    }

    /// Nothing new may start in this instance.
    pub fn halted(&self, instance: &Path) -> bool {
        if self.state.ending.is_some() || self.state.status != crate::RunStatus::Running {
            return true;
        }
        let mut next = self.state.instances.get(instance);
        while let Some(current) = next {
            if current.memory.failing.is_some() {
                return true;
            }
            next = current.parent.as_ref().and_then(|parent| self.state.instances.get(&parent.instance));
        }
        false
    }

    /// The step that an instance knows by this path.
    pub fn locate(&self, instance: &Path, local: &str) -> Option<At<'a>> {
        let owner = self.state.instances.get(instance)?;
        let mut scope = self.scope(owner)?;
        let mut rest = local;
        loop {
            let (segment, below) = rest.split_once('/').map_or((rest, None), |(segment, below)| (segment, Some(below)));
            let name = segment.split('[').next().unwrap_or(segment);
            let found = scope.block.steps.iter().zip(0u32..).find(|(step, _)| escaped(&step.name) == name);
            let (step, position) = found?;
            let reached = format!("{}{name}", scope.prefix);
            let Some(below) = below else {
                let scope = Rc::new(scope);
                // A step of an earlier pass of a `repeat` is not this one.
                return (reached == local).then_some(At { instance: instance.clone(), local: reached, scope, position, step });
            };
            scope = scope.enter(step, position, &owner.entry(&reached)?.state, &reached)?;
            rest = below;
        }
    }

    pub fn scope(&self, instance: &Instance) -> Option<Scope<'a>> {
        let (flow, block) = instance.memory.body.resolve(self.plan)?;
        let reference = instance.memory.body.clone();
        let order = instance.memory.order.clone();
        Some(Scope { flow, block, reference, prefix: String::new(), order, repeat: None, depth: 0 })
    }

    pub fn entry(&self, at: &At<'_>) -> Option<&StepEntry> {
        self.state.instances.get(&at.instance)?.entry(&at.local)
    }

    pub fn step_state(&mut self, at: &At<'_>) -> Option<&mut StepState> {
        self.touch(&at.instance);
        self.state.instances.get_mut(&at.instance)?.entry_mut(&at.local).map(|entry| &mut entry.state)
    }

    /// Puts a step into a state, keeping its history, and counts what is in flight.
    pub fn enter(&mut self, at: &At<'_>, state: StepState) {
        let now = self.now;
        let after = Awaited::of(&state);
        let Some(instance) = self.state.instances.get_mut(&at.instance) else { return };
        let before = match instance.memory.steps.get_mut(&at.local) {
            Some(entry) => {
                if matches!(entry.state, StepState::Again) {
                    entry.started_at = now;
                }
                let before = Awaited::of(&entry.state);
                entry.state = state;
                before
            }
            None => {
                instance.memory.steps.insert(at.local.clone(), StepEntry { started_at: now, attempt: 0, generation: 0, state });
                Awaited::default()
            }
        };
        self.count(at, &before, &after);
        self.touch(&at.instance);
        if before.in_flight > after.in_flight {
            // Something that fails may have waited for just this.
            self.wake(&at.instance);
        }
    }

    fn count(&mut self, at: &At<'_>, before: &Awaited, after: &Awaited) {
        self.state.in_flight = (self.state.in_flight + after.in_flight).saturating_sub(before.in_flight);
        self.state.submitted = (self.state.submitted + after.submitted).saturating_sub(before.submitted);
        self.state.moving = (self.state.moving + after.moving).saturating_sub(before.moving);
        if after.collects {
            self.state.collecting.insert((at.instance.clone(), at.local.clone()));
        } else if before.collects {
            self.state.collecting.remove(&(at.instance.clone(), at.local.clone()));
        }
    }

    /// The number of the step's next sending or record.
    pub fn next_attempt(&mut self, at: &At<'_>) -> u32 {
        let entry = self.state.instances.get_mut(&at.instance).and_then(|instance| instance.entry_mut(&at.local));
        entry.map_or(1, |entry| {
            entry.attempt = entry.attempt.saturating_add(1);
            entry.attempt
        })
    }

    /// The step is done; `value` is bound to its name.
    pub fn done(&mut self, at: &At<'_>, value: Option<Value>) {
        if let Some(value) = value {
            self.bind(&at.instance, &at.step.name, value);
        }
        self.enter(at, StepState::Done);
        self.wake(&at.instance);
    }

    /// The step failed for good, and its instance with it. `recorded`: its last attempt has a record already.
    pub fn fail(&mut self, at: &At<'a>, failure: Failure, recorded: bool) {
        if !recorded {
            self.next_attempt(at);
            self.record(at, StepStatus::Failed, Detail { failure: Some(failure.clone()), ..Detail::default() });
        }
        self.enter(at, StepState::Failed(failure.clone()));
        self.fail_instance(&at.instance, failure);
    }

    /// Nothing new starts in the instance; it ends as failed when what is under way has ended.
    pub fn fail_instance(&mut self, path: &Path, failure: Failure) {
        self.halting = true;
        if let Some(instance) = self.state.instances.get_mut(path) {
            if instance.memory.failing.is_none() {
                instance.memory.failing = Some(failure);
                instance.status = InstanceStatus::Failed;
            }
            self.touch(path);
            self.wake(path);
        }
    }

    fn settle(&mut self) {
        loop {
            while let Some(path) = self.agenda.pop_front() {
                self.advance(&path);
            }
            let still = !self.grant_queued() && self.agenda.is_empty();
            if still && !self.leave_halted() && !self.send_collected() {
                break;
            }
        }
        self.end_if_quiet();
    }

    fn advance(&mut self, path: &Path) {
        let Some(instance) = self.state.instances.get(path) else { return };
        if instance.status == InstanceStatus::Running && !self.halted(path) {
            match self.scope(instance) {
                Some(scope) => {
                    if self.rouse(path) {
                        if self.advance_block(path, &Rc::new(scope)) && !self.halted(path) {
                            self.complete(path);
                        }
                        self.doze(path);
                    }
                }
                None => self.fail_instance(path, crate::failures::damaged_plan(path)),
            }
        }
        self.conclude_failing(path);
    }

    /// Starts what can start in a block. True when all of it is done.
    pub fn advance_block(&mut self, instance: &Path, scope: &Rc<Scope<'a>>) -> bool {
        loop {
            let mut finished_one = false;
            let mut open = 0usize;
            for (step, position) in scope.block.steps.iter().zip(0u32..) {
                if self.is_done_in(instance, scope, step) {
                    continue;
                }
                let local = scope.local(step).into_owned();
                let at = At { instance: instance.clone(), local, scope: scope.clone(), position, step };
                self.advance_step(&at);
                match self.is_done(&at) {
                    true => finished_one = true,
                    false => open += 1,
                }
            }
            if open == 0 {
                return true;
            }
            if !finished_one {
                return false;
            }
        }
    }

    fn advance_step(&mut self, at: &At<'a>) {
        if self.halted(&at.instance) {
            return;
        }
        match self.entry(at).map(|entry| &entry.state) {
            None | Some(StepState::Again) => {
                if self.ready(at) {
                    self.start(at);
                }
            }
            Some(StepState::Loop(_)) => self.continue_loop(at),
            Some(StepState::Branch(_) | StepState::Parallel) => self.continue_nested(at),
            Some(StepState::Repeat(_)) => self.continue_repeat(at),
            Some(_) => {}
        }
    }

    fn ready(&self, at: &At<'a>) -> bool {
        at.step.after.iter().all(|before| {
            let before = at.scope.block.steps.get(*before as usize);
            before.is_none_or(|step| self.is_done_in(&at.instance, &at.scope, step))
        })
    }

    fn is_done_in(&self, instance: &Path, scope: &Scope<'_>, step: &Step) -> bool {
        let instance = self.state.instances.get(instance);
        let entry = instance.and_then(|instance| instance.entry(&scope.local(step)));
        matches!(entry.map(|entry| &entry.state), Some(StepState::Done))
    }

    pub fn is_done(&self, at: &At<'_>) -> bool {
        matches!(self.entry(at).map(|entry| &entry.state), Some(StepState::Done))
    }

    fn end_if_quiet(&mut self) {
        if self.state.status != crate::RunStatus::Running {
            return;
        }
        let Some(ending) = self.state.ending.clone() else { return };
        let left = if ending.goes_on() { self.state.submitted } else { 0 };
        if self.state.in_flight <= left {
            self.end_run(&ending);
        }
    }

    /// The run ends as soon as nothing is under way. The first reason stands, but a cancel goes before every other.
    pub fn end_with(&mut self, ending: Ending) {
        let replace = match (&self.state.ending, &ending) {
            (None | Some(Ending::HandedOver), _) => true,
            (Some(Ending::Cancelled { .. }), _) => false,
            (Some(_), Ending::Cancelled { .. }) => true,
            (Some(_), _) => false,
        };
        if replace {
            self.state.ending = Some(ending);
            self.halting = true;
            self.touch_run();
            if self.ends_for_good() {
                self.cancel_batches();
            }
        }
    }
}

impl<'a> Scope<'a> {
    /// The block below a step that is under way.
    pub fn enter(&self, step: &'a Step, position: u32, state: &StepState, local: &str) -> Option<Scope<'a>> {
        let (arm, prefix) = match state {
            StepState::Branch(arm) => (*arm, format!("{local}/")),
            StepState::Parallel => (Arm::Body, format!("{local}/")),
            StepState::Repeat(repeat) => (Arm::Body, format!("{local}[{}]/", repeat.pass)),
            _ => return None,
        };
        let mut order = format!("{}{}", self.order, ordinal(u64::from(position)));
        let mut repeat = self.repeat.clone();
        if let StepState::Repeat(state) = state {
            order.push_str(&ordinal(state.pass));
            repeat = Some(local.to_owned());
        }
        Some(Scope {
            flow: self.flow,
            block: nested_block(step, arm)?,
            reference: self.reference.nested(position, arm),
            prefix,
            order,
            repeat,
            depth: self.depth + 1,
        })
    }

    /// A step of this block by its path below the instance.
    pub fn local<'s>(&self, step: &'s Step) -> Cow<'s, str> {
        let name = escaped(&step.name);
        if self.prefix.is_empty() { name } else { Cow::Owned(format!("{}{name}", self.prefix)) }
    }

    pub fn too_deep(&self) -> bool {
        self.depth >= NESTING_MAX
    }
}

impl At<'_> {
    pub fn path(&self) -> Path {
        self.instance.below(&self.local)
    }

    /// Sorts among the outputs of the instance's flow.
    pub fn order(&self) -> String {
        format!("{}{}", self.scope.order, ordinal(u64::from(self.position)))
    }
}
