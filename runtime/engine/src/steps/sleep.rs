//! Items that only a clock, a person or the answer of a batch can go on with. They give their place among the `concurrency` back, and take one
//! again before they go on, so that a loop over many approvals stands still only when all of it waits.

use crate::Path;
use crate::state::{Instance, LoopState, Parent, State, StepState};
use crate::turn::Turn;

/// Items of one loop that may sleep at once. It bounds the memory of a run; further items wait until one wakes.
pub(crate) const SLEEPING_MAX: u64 = 10_000;

impl Turn<'_> {
    /// Whether the instance may go on: a sleeping one needs a place in every loop around it first, and gets it now or as
    /// soon as one is free.
    pub fn rouse(&mut self, path: &Path) -> bool {
        let Some(instance) = self.state.instances.get(path) else { return false };
        if !instance.asleep {
            return true;
        }
        let (parent, index) = (instance.parent.clone(), instance.index);
        let granted = parent.is_none_or(|parent| self.rouse(&parent.instance) && self.take_place(path, &parent, index));
        let Some(instance) = self.state.instances.get_mut(path) else { return granted };
        let wanted = std::mem::replace(&mut instance.stirred, !granted);
        instance.asleep = !granted;
        if granted && wanted {
            // Whoever below wanted to go on before was turned away here.
            self.wake_stirred(path);
        }
        granted
    }

    fn wake_stirred(&mut self, path: &Path) {
        let below: Vec<Path> = self.below(path).filter(|below| below.stirred).map(|below| below.path.clone()).collect();
        below.iter().for_each(|path| self.wake(path));
    }

    /// A place in the loop whose item this is, if it is one.
    fn take_place(&mut self, path: &Path, parent: &Parent, index: u64) -> bool {
        let concurrency = self.concurrency_around(path);
        let around = self.state.instances.get_mut(&parent.instance);
        let Some(each) = around.and_then(|instance| instance.loop_mut(&parent.step)) else { return true };
        if each.running >= concurrency {
            each.ready.insert(index, path.clone());
            return false;
        }
        each.ready.remove(&index);
        each.wake_one();
        true
    }

    /// Takes back the place of an instance that sleeps from now on.
    pub fn doze(&mut self, path: &Path) {
        let Some(instance) = self.state.instances.get(path) else { return };
        if instance.asleep || !self.state.sleeps(instance) {
            return;
        }
        let parent = instance.parent.clone();
        if let Some(instance) = self.state.instances.get_mut(path) {
            instance.asleep = true;
        }
        let Some(parent) = parent else { return };
        let around = self.state.instances.get_mut(&parent.instance);
        if let Some(each) = around.and_then(|instance| instance.loop_mut(&parent.step)) {
            each.running = each.running.saturating_sub(1);
            each.sleeping += 1;
        }
        self.wake(&parent.instance);
    }

    /// It has its place; those below that wanted to go on ask for theirs again.
    pub fn awaken(&mut self, path: &Path) {
        if let Some(instance) = self.state.instances.get_mut(path) {
            (instance.asleep, instance.stirred) = (false, false);
        }
        self.wake(path);
        self.wake_stirred(path);
    }

    fn concurrency_around(&self, item: &Path) -> u64 {
        let instance = self.state.instances.get(item);
        let flow = instance.and_then(|instance| self.plan.flows.get(&instance.memory.body.flow));
        flow.map_or(1, |flow| u64::from(flow.settings.concurrency.max(1)))
    }
}

impl State {
    /// Nothing but a clock, a person or a batch can go on with it.
    fn sleeps(&self, instance: &Instance) -> bool {
        let asks = |state: &StepState| !matches!(state, StepState::Done | StepState::Failed(_) | StepState::Again);
        let is_block = |state: &StepState| matches!(state, StepState::Branch(_) | StepState::Parallel | StepState::Repeat(_));
        let mut open = instance.memory.steps.values().filter(|entry| asks(&entry.state) && !is_block(&entry.state));
        open.next().is_some() && !self.works(instance)
    }

    /// Something in it needs neither a clock nor a person nor a batch.
    pub fn works(&self, instance: &Instance) -> bool {
        instance.memory.steps.values().any(|entry| match &entry.state {
            StepState::Prompt(state) => state.phase.batch().is_none(),
            StepState::Operation(_) | StepState::Read(_) | StepState::Recall => true,
            StepState::Flow(state) => !self.instances.get(&state.child).is_some_and(|child| child.asleep),
            StepState::Loop(state) => !state.sleeps(),
            StepState::Done | StepState::Failed(_) | StepState::Again => false,
            StepState::Branch(_) | StepState::Parallel | StepState::Repeat(_) => false,
            StepState::Wait { .. } | StepState::Approval { .. } => false,
        })
    }
}

impl LoopState {
    /// A sleeping item goes on.
    pub fn wake_one(&mut self) {
        self.running += 1;
        self.sleeping = self.sleeping.saturating_sub(1);
    }

    fn sleeps(&self) -> bool {
        let nothing_to_start = (self.exhausted && self.waiting.is_empty()) || self.sleeping >= SLEEPING_MAX;
        let moves = self.pulling || self.gathering || self.backoff.is_some() || !self.admitting.is_empty();
        self.sleeping > 0 && self.running == 0 && self.ready.is_empty() && nothing_to_start && !moves
    }
}
