use crate::state::StepState;
use crate::stream::Stages;
use crate::turn::Turn;
use crate::{Path, Row};
use pmflow_plan::StepKind;

/// What a pull brought.
pub(crate) struct Read {
    pub pull: u64,
    pub rows: Vec<Row>,
    pub cursor: Option<String>,
    pub stages: Stages,
    pub exhausted: bool,
}

impl Turn<'_> {
    /// Rows of a source. While nothing may start they are not taken: they are asked for again after a resume.
    pub fn on_rows_read(&mut self, instance: &Path, step: &Path, read: Read) {
        if self.halted(instance) {
            return;
        }
        let Some(at) = self.answered(instance, step) else { return };
        match self.entry(&at).map(|entry| &entry.state) {
            Some(StepState::Read(state)) if state.pull == read.pull && state.backoff.is_none() => {
                if let StepKind::Source(source) = &at.step.kind {
                    self.source_read(&at, source, read.rows);
                }
            }
            Some(StepState::Loop(state)) if state.pull == read.pull && state.pulling => {
                self.rows_pulled(&at, read.rows, read.cursor, &read.stages, read.exhausted);
            }
            _ => {}
        }
    }
}
