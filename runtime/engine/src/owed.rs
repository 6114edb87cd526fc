//! What the world still owes a run, worked out from its state alone.

use crate::state::{Instance, LoopState, PromptPhase, StepEntry, StepState};
use crate::steps::{backoff_purpose, timer};
use crate::turn::{At, Turn};
use crate::{Admission, Command, Time};
use pmflow_plan::StepKind;

impl<'a> Turn<'a> {
    /// Everything whose answer is awaited; with `calls` also the calls that are under way.
    pub fn owed(&self, calls: bool) -> Vec<Command> {
        let mut commands = Vec::new();
        for instance in self.state.instances.values() {
            let halted = self.halted(&instance.path);
            if let Some(deadline) = instance.memory.deadline.filter(|_| !halted) {
                commands.push(timer(&instance.path, &instance.path, "timeout", deadline));
            }
            for (local, entry) in &instance.memory.steps {
                let wanted = if entry.state.in_flight() { calls } else { !halted };
                if let Some(at) = self.locate(&instance.path, local).filter(|_| wanted) {
                    self.owed_by(&at, instance, entry, &mut commands);
                }
            }
        }
        if calls {
            commands.extend(self.owed_submissions());
            commands.extend(self.owed_collections());
        }
        commands
    }

    fn owed_by(&self, at: &At<'a>, instance: &Instance, entry: &StepEntry, commands: &mut Vec<Command>) {
        let backoff = |until: Time| timer(&instance.path, &at.path(), &backoff_purpose(until), until);
        match &entry.state {
            StepState::Prompt(state) => match state.phase {
                PromptPhase::Cache => commands.extend(self.cache_lookup(at).map(Command::LookupCache)),
                PromptPhase::Queued { ticket } => {
                    commands.extend(self.state.turns.awaited(ticket).cloned().map(Command::AwaitTurn));
                }
                PromptPhase::InFlight { batch: Some(_), .. } => {}
                PromptPhase::InFlight { hold, batch: None, .. } => {
                    let call = self.sent(at, state, entry.attempt, hold).and_then(|sent| self.model_call(at, state, &sent));
                    commands.extend(call.map(Command::CallModel));
                }
                PromptPhase::Backoff { until } => commands.push(backoff(until)),
            },
            StepState::Operation(state) => match state.backoff {
                Some(until) => commands.push(backoff(until)),
                None => commands.extend(self.operation_call(at).map(Command::CallOperation)),
            },
            StepState::Read(state) => match state.backoff {
                Some(until) => commands.push(backoff(until)),
                None => commands.extend(self.read_command(at)),
            },
            StepState::Flow(state) => match state.backoff {
                Some(until) => commands.push(backoff(until)),
                None if state.gathering => {
                    commands.push(crate::steps::gather_outputs(&at.instance, at.path(), &state.child));
                }
                None => {}
            },
            StepState::Loop(state) => self.owed_by_loop(at, state, commands),
            StepState::Wait { until } => commands.push(timer(&instance.path, &at.path(), "wait", *until)),
            StepState::Approval { text, until } => {
                if let StepKind::Approve(approve) = &at.step.kind {
                    commands.push(crate::steps::approval_request(&at.instance, at.path(), text.clone(), approve, *until));
                }
                commands.extend(until.map(|until| timer(&instance.path, &at.path(), "approve", until)));
            }
            StepState::Recall => commands.extend(self.recall_command(at)),
            StepState::Done | StepState::Failed(_) | StepState::Again => {}
            StepState::Branch(_) | StepState::Repeat(_) | StepState::Parallel => {}
        }
    }

    fn owed_by_loop(&self, at: &At<'a>, state: &LoopState, commands: &mut Vec<Command>) {
        if !state.admitting.is_empty() {
            let items = state.admitting.iter().map(|(_, path)| path.clone()).collect();
            let (instance, batch) = (at.instance.clone(), state.batch);
            commands.push(Command::AwaitAdmission(Admission { instance, step: at.path(), batch, items }));
        }
        if let Some(until) = state.backoff {
            commands.push(timer(&at.instance, &at.path(), &backoff_purpose(until), until));
        } else if state.pulling {
            commands.extend(self.pull_command(at));
        } else if state.gathering {
            commands.push(crate::steps::gather_yields(at));
        }
    }
}
