//! A run that takes over from an earlier one: what that one recorded is used again, where the step is given the same, and
//! neither paid for nor done twice.

use crate::state::{PromptPhase, PromptState, StepState};
use crate::step_records::Detail;
use crate::turn::{At, Turn};
use crate::write::StepStatus;
use crate::{Command, Path, Recall, keys};
use pmflow_plan::{Call, Failure, StepKind, Target, Value};

impl<'a> Turn<'a> {
    /// Asks for the earlier run's result instead of starting the step. False where there is nothing to ask for.
    pub fn recall(&mut self, at: &At<'a>) -> bool {
        if self.state.origin.is_none() || !remembers(&at.step.kind) {
            return false;
        }
        let Some(command) = self.recall_command(at) else { return false };
        self.enter(at, StepState::Recall);
        self.commands.push(command);
        true
    }

    pub fn recall_command(&self, at: &At<'a>) -> Option<Command> {
        let origin = self.state.origin.as_ref()?;
        let (step, place) = (at.path(), self.state.instances.get(&at.instance)?.place(&at.local));
        if origin.from.as_ref().is_some_and(|from| *from == place || *from == step.as_str()) {
            return None;
        }
        let input_key = self.input_key(at).ok()?;
        Some(Command::Recall(Recall { instance: at.instance.clone(), earlier: self.earlier(at), step, input_key }))
    }

    /// The earlier run's result, if it has one for the same input; how often the step had come to an end there without.
    pub fn recalled(&mut self, at: &At<'a>, result: Option<Value>, generation: u32) {
        match result {
            Some(value) => {
                self.next_attempt(at);
                let detail = Detail { result: Some(value.clone()), from_cache: true, ..Detail::default() };
                self.record(at, StepStatus::Done, detail);
                let bound = !matches!(at.step.kind, StepKind::Approve(_));
                self.done(at, Some(value).filter(|_| bound));
            }
            None => {
                self.enter(at, StepState::Again);
                if let Some(entry) = self.state.instances.get_mut(&at.instance).and_then(|found| found.entry_mut(&at.local)) {
                    entry.generation = generation;
                }
                self.start_now(at);
                self.wake(&at.instance);
            }
        }
    }

    /// What the step is given, as a digest.
    pub fn input_key(&self, at: &At<'a>) -> Result<String, Failure> {
        match &at.step.kind {
            StepKind::Call(Call { target: Target::Prompt(_), .. }) => match self.known_input_key(at) {
                Some(key) => {
                    debug_assert_eq!(self.cache_lookup(at).ok().as_ref().map(|lookup| &*lookup.key), Some(key));
                    Ok(key.to_owned())
                }
                None => Ok(self.cache_lookup(at)?.key),
            },
            StepKind::Call(Call { target: Target::Operation(name), arguments, .. }) => {
                let parameters = self.plan.operations.get(name).map(|operation| operation.parameters.as_slice());
                let arguments = self.arguments(at, arguments, parameters.unwrap_or_default())?;
                Ok(keys::digest(&["operation", name, &Value::Record(arguments).to_exact()]))
            }
            StepKind::Approve(approve) => Ok(keys::digest(&["approval", &self.evaluate(at, &approve.text)?.to_text()])),
            _ => Ok(String::new()),
        }
    }

    fn known_input_key(&self, at: &At<'a>) -> Option<&str> {
        match &self.entry(at)?.state {
            StepState::Prompt(PromptState { phase: PromptPhase::InFlight { sent: Some(sent), .. }, .. }) => {
                sent.input_key.as_deref()
            }
            _ => None,
        }
    }

    /// The step's path under the name that it had before (`was`).
    fn earlier(&self, at: &At<'a>) -> Option<Path> {
        let was = at.step.was.as_ref()?;
        Some(at.instance.below(&format!("{}{}", at.scope.prefix, crate::path::escaped(was))))
    }
}

/// Steps whose results cost something, change something, or are a person's.
pub(crate) fn remembers(kind: &StepKind) -> bool {
    let paid = |target: &Target| matches!(target, Target::Prompt(_) | Target::Operation(_));
    matches!(kind, StepKind::Call(call) if paid(&call.target)) || matches!(kind, StepKind::Approve(_))
}
