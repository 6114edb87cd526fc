//! How each kind of step starts and goes on.

mod approve;
mod blocks;
mod each;
mod flow_call;
mod operation;
mod output;
mod prompt;
mod recall;
pub(crate) mod sleep;
mod source;
mod wait;

pub(crate) use approve::request as approval_request;
pub(crate) use each::gather as gather_yields;
pub(crate) use flow_call::gather as gather_outputs;
pub(crate) use prompt::Sent;
pub(crate) use recall::remembers;

use crate::failures;
use crate::state::{Ending, StepState};
use crate::turn::{At, Turn};
use crate::{Command, Path, Time, Timer, TimerId};
use pmflow_plan::{Call, Failure, FailureClass, StepKind, Target};

impl<'a> Turn<'a> {
    /// Starts a step whose predecessors are done.
    pub fn start(&mut self, at: &At<'a>) {
        if at.scope.too_deep() {
            return self.fail(at, failures::too_deep(), false);
        }
        if !self.recall(at) {
            self.start_now(at);
        }
    }

    /// As [`Turn::start`], whatever an earlier run may have recorded.
    pub fn start_now(&mut self, at: &At<'a>) {
        match &at.step.kind {
            StepKind::Source(source) => self.start_source(at, source),
            StepKind::Let { value } => match self.evaluate(at, value) {
                Ok(value) => self.done(at, Some(value)),
                Err(failure) => self.fail(at, failure, false),
            },
            StepKind::Call(call) => self.start_call(at, call),
            StepKind::If { condition, .. } => self.start_if(at, condition),
            StepKind::Match { value, arms, otherwise } => self.start_match(at, value, arms, otherwise.is_some()),
            StepKind::For(each) => self.start_loop(at, each),
            StepKind::Repeat { .. } => self.start_repeat(at),
            StepKind::Set { variable, value } => self.start_set(at, variable, value),
            StepKind::Parallel { .. } => {
                self.enter(at, StepState::Parallel);
                self.continue_nested(at);
            }
            StepKind::Wait(wait) => self.start_wait(at, wait),
            StepKind::Approve(approve) => self.start_approve(at, approve),
            StepKind::Output { value, tags } => self.start_output(at, value, tags),
            StepKind::Fail { text } => {
                let failure = match self.evaluate(at, text) {
                    Ok(text) => Failure::not_sent(FailureClass::Author, text.to_text()),
                    Err(failure) => failure,
                };
                self.fail(at, failure, false);
            }
            StepKind::Stop => {
                self.record_done(at, None);
                self.done(at, None);
                self.end_with(Ending::Stopped);
            }
        }
    }

    fn start_call(&mut self, at: &At<'a>, call: &'a Call) {
        match &call.target {
            Target::Prompt(_) => self.start_prompt(at, call),
            Target::Operation(_) => self.start_operation(at),
            Target::Flow(_) => self.start_flow(at, call, 0),
        }
    }

    /// What a call comes to when no try is left: its `else`, or a failed step. The last attempt is recorded here.
    pub fn call_failed(&mut self, at: &At<'a>, call: &'a Call, failure: Failure, detail: crate::step_records::Detail) {
        use crate::write::StepStatus;
        let stand_in = call.otherwise.as_ref().map(|otherwise| self.evaluate(at, otherwise));
        let status = if stand_in.is_some() { StepStatus::Retried } else { StepStatus::Failed };
        let detail = crate::step_records::Detail { failure: Some(failure.clone()), ..detail };
        self.record(at, status, detail);
        match stand_in {
            None => self.fail(at, failure, true),
            Some(Err(failure)) => self.fail(at, failure, false),
            Some(Ok(value)) => {
                self.record_done(at, Some(value.clone()));
                self.done(at, Some(value));
            }
        }
    }

    pub fn start_timer(&mut self, at: &At<'_>, purpose: &str, time: Time) {
        self.commands.push(timer(&at.instance, &at.path(), purpose, time));
    }

    pub fn after_ms(&self, milliseconds: u64) -> Time {
        later(self.now, milliseconds)
    }
}

/// Saturates: a time beyond all numbers never comes.
pub(crate) fn later(now: Time, milliseconds: u64) -> Time {
    now.saturating_add(i64::try_from(milliseconds).unwrap_or(i64::MAX).saturating_mul(1000))
}

pub(crate) fn timer(instance: &Path, step: &Path, purpose: &str, at: Time) -> Command {
    Command::StartTimer(Timer { id: TimerId { instance: instance.clone(), step: step.clone(), purpose: purpose.into() }, at })
}

/// One name per pause, so that a timer of an earlier one is stale.
pub(crate) fn backoff_purpose(until: Time) -> String {
    format!("backoff {until}")
}
