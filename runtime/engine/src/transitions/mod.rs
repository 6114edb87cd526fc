//! One file per event.

mod approval_decided;
mod budget_drawn;
mod cache_answered;
mod call_failed;
mod cancel_requested;
mod gathered;
mod hand_over_requested;
mod items_admitted;
mod limit_raised;
mod model_answered;
mod models_gated;
mod operation_answered;
mod pause_requested;
mod recalled;
mod reconciled;
mod resume_requested;
mod rows_read;
mod set_aside;
mod source_failed;
mod timer_fired;
mod turn_came;
mod turn_refused;

use crate::turn::{At, Turn};
use crate::{Event, Path, RunStatus};

impl<'a> Turn<'a> {
    pub fn on(&mut self, event: Event) {
        if !self.accepts(&event) {
            return;
        }
        match event {
            Event::ModelAnswered { call, text, finish, usage, model: _ } => self.on_model_answered(&call, text, &finish, usage),
            Event::BatchSubmitted { calls, batch } => self.on_batch_submitted(&calls, &batch),
            Event::BatchRefused { calls } => self.on_batch_refused(&calls),
            Event::Together(events) => events.into_iter().for_each(|event| self.on(event)),
            Event::CallFailed { call, failure } => self.on_call_failed(&call, failure),
            Event::OperationAnswered { call, value } => self.on_operation_answered(&call, value),
            Event::CacheHit { instance, step, value } => self.on_cache_answered(&instance, &step, Some(value)),
            Event::CacheMiss { instance, step } => self.on_cache_answered(&instance, &step, None),
            Event::Rows { instance, step, pull, rows, cursor, stages, exhausted } => {
                let read = rows_read::Read { pull, rows, cursor, stages, exhausted };
                self.on_rows_read(&instance, &step, read);
            }
            Event::SourceFailed { instance, step, pull, failure } => self.on_source_failed(&instance, &step, pull, failure),
            Event::ItemsAdmitted { instance, step, batch, rejected } => {
                self.on_items_admitted(&instance, &step, batch, &rejected);
            }
            Event::Gathered { instance, step, values } => self.on_gathered(&instance, &step, values),
            Event::Recalled { instance, step, result, generation } => self.on_recalled(&instance, &step, result, generation),
            Event::TimerFired { timer } => self.on_timer_fired(&timer),
            Event::Decided { instance, step, approved, by } => self.on_approval_decided(&instance, &step, approved, &by),
            Event::CancelRequested { by } => self.on_cancel_requested(by),
            Event::PauseRequested => self.on_pause_requested(),
            Event::HandOverRequested => self.on_hand_over_requested(),
            Event::SetAside { failure } => self.on_set_aside(failure),
            Event::ResumeRequested => self.on_resume_requested(),
            Event::LimitRaised { limit } => self.on_limit_raised(limit),
            Event::BudgetDrawn { answer } => self.on_budget_drawn(answer),
            Event::ModelsGated { models } => self.on_models_gated(models),
            Event::TurnCame { instance, step, model, until } => self.on_turn_came(&instance, &step, &model, until),
            Event::TurnRefused { instance, step, model, failure } => self.on_turn_refused(&instance, &step, &model, failure),
            Event::Reconciled { call, held, actual, usage } => self.on_reconciled(call, held, actual, usage),
        }
    }

    /// A run that ended hears only what can still mean something to it.
    fn accepts(&self, event: &Event) -> bool {
        match self.state.status {
            RunStatus::Running => true,
            RunStatus::Suspended | RunStatus::Failed => matches!(
                event,
                Event::Decided { .. }
                    | Event::CancelRequested { .. }
                    | Event::ResumeRequested
                    | Event::LimitRaised { .. }
                    | Event::Reconciled { .. }
            ),
            RunStatus::Succeeded | RunStatus::Cancelled => matches!(event, Event::Reconciled { .. }),
        }
    }

    /// The step that an event answers.
    fn answered(&self, instance: &Path, step: &Path) -> Option<At<'a>> {
        let local = self.state.instances.get(instance)?.local(step)?.to_owned();
        self.locate(instance, &local)
    }
}
