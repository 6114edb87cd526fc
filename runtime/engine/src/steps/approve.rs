//! `approve`: the run sleeps until a person decides.

use crate::state::{Arm, StepState};
use crate::step_records::Detail;
use crate::turn::{At, Turn};
use crate::write::{ApprovalRow, StepStatus};
use crate::{ApprovalRequest, Command, Path, Time, Write};
use pmflow_plan::{Approve, Failure, FailureClass, StepKind};
use std::sync::Arc;

impl<'a> Turn<'a> {
    pub fn start_approve(&mut self, at: &At<'a>, approve: &'a Approve) {
        let text: Arc<str> = match self.evaluate(at, &approve.text) {
            Ok(text) => text.to_text().into(),
            Err(failure) => return self.fail(at, failure, false),
        };
        let until = approve.timeout_ms.map(|milliseconds| self.after_ms(milliseconds));
        self.enter(at, StepState::Approval { text: text.clone(), until });
        self.writes.push(Write::ApprovalRequested(ApprovalRow {
            instance: at.instance.clone(),
            step: at.path(),
            text: text.to_string(),
            by: approve.by.clone(),
            until,
            at: self.now,
        }));
        self.commands.push(request(&at.instance, at.path(), text, approve, until));
        if let Some(until) = until {
            self.start_timer(at, "approve", until);
        }
    }

    pub fn approved(&mut self, at: &At<'a>, by: &str) {
        self.close_approval(at, Some(true), Some(by.to_owned()));
        self.record_done(at, Some(pmflow_plan::Value::text(by)));
        self.done(at, None);
    }

    /// Rejected, or nobody decided in time: `by` is none.
    pub fn not_approved(&mut self, at: &At<'a>, by: Option<&str>) {
        let StepKind::Approve(approve) = &at.step.kind else { return };
        self.close_approval(at, by.map(|_| false), by.map(str::to_owned));
        let failure = match by {
            Some(by) => Failure::not_sent(FailureClass::Permission, format!("`{}` was rejected by {by}", at.step.name)),
            None => Failure::not_sent(FailureClass::Timeout, format!("nobody decided on `{}` in time", at.step.name)),
        };
        if approve.otherwise.is_none() {
            return self.fail(at, failure, false);
        }
        self.next_attempt(at);
        self.record(at, StepStatus::Retried, Detail { failure: Some(failure), ..Detail::default() });
        self.enter(at, StepState::Branch(Arm::Otherwise));
        self.wake(&at.instance);
    }

    fn close_approval(&mut self, at: &At<'a>, approved: Option<bool>, by: Option<String>) {
        self.writes.push(Write::ApprovalClosed { step: at.path(), approved, by, at: self.now });
    }
}

pub(crate) fn request(instance: &Path, step: Path, text: Arc<str>, approve: &Approve, until: Option<Time>) -> Command {
    Command::AwaitApproval(ApprovalRequest { instance: instance.clone(), step, text, by: approve.by.clone(), until })
}
