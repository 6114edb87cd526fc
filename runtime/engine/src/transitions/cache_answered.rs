use crate::Path;
use crate::state::{PromptPhase, StepState};
use crate::step_records::Detail;
use crate::turn::Turn;
use pmflow_plan::Value;

impl Turn<'_> {
    /// A hit is the step's result, and costs nothing; after a miss the prompt is sent.
    pub fn on_cache_answered(&mut self, instance: &Path, step: &Path, value: Option<Value>) {
        let Some(at) = self.answered(instance, step) else { return };
        match self.entry(&at).map(|entry| &entry.state) {
            Some(StepState::Prompt(state)) if matches!(state.phase, PromptPhase::Cache) => {}
            _ => return,
        }
        match value {
            Some(value) => {
                self.state.counters.cache_hits += 1;
                self.touch_run();
                self.next_attempt(&at);
                self.prompt_answered(&at, value, Detail { from_cache: true, ..Detail::default() });
            }
            None => self.queue_prompt(&at),
        }
    }
}
