use crate::state::{Ending, StepState};
use crate::turn::Turn;
use crate::write::InstanceStatus;
use crate::{Path, RunStatus};
use pmflow_plan::Billing;

impl Turn<'_> {
    /// What failed is tried again, what is done is not. A run that is about to be suspended just goes on.
    pub fn on_resume_requested(&mut self) {
        let resumable = match self.state.status {
            RunStatus::Suspended | RunStatus::Failed => true,
            RunStatus::Running => matches!(self.state.ending, Some(Ending::Suspended { .. })),
            RunStatus::Succeeded | RunStatus::Cancelled => false,
        };
        if !resumable {
            return;
        }
        // Until it was suspended they were being collected.
        let batches = if self.state.status == RunStatus::Suspended { self.owed_collections() } else { Vec::new() };
        self.state.status = RunStatus::Running;
        self.state.ending = None;
        self.state.failure = None;
        self.state.ended_at = None;
        // What it had drawn went back when it stopped, and limits may have been raised since.
        self.state.shared = self.state.shared.take().map(|_| Default::default());
        self.touch_run();
        let paths: Vec<Path> = self.state.instances.keys().cloned().collect();
        for path in &paths {
            self.revive(path);
        }
        // Calls under way were never given up; everything else may have been missed while the run stood still.
        let owed = self.owed(false);
        self.commands.extend(owed);
        self.commands.extend(batches);
        self.wake_all();
    }

    fn revive(&mut self, path: &Path) {
        let timeout_ms = self.timeout_ms(path);
        let deadline = timeout_ms.map(|milliseconds| self.after_ms(milliseconds));
        let Some(instance) = self.state.instances.get_mut(path) else { return };
        if instance.status == InstanceStatus::Waiting {
            return;
        }
        instance.status = InstanceStatus::Running;
        instance.memory.failing = None;
        instance.memory.deadline = deadline;
        for entry in instance.memory.steps.values_mut() {
            if let StepState::Failed(failure) = &entry.state {
                // Only what surely had no effect may be sent under a new key.
                entry.generation += u32::from(failure.billing != Billing::Unknown);
                entry.state = StepState::Again;
            }
        }
        self.touch(path);
    }
}
