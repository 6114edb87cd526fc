//! `wait`: a durable timer.

use crate::failures;
use crate::state::StepState;
use crate::turn::{At, Turn};
use pmflow_plan::{Value, Wait};

impl<'a> Turn<'a> {
    pub fn start_wait(&mut self, at: &At<'a>, wait: &'a Wait) {
        let until = match wait {
            Wait::For(duration) => self.evaluate(at, duration),
            Wait::Until(time) => self.evaluate(at, time),
        };
        let until = match until {
            Ok(Value::Duration(microseconds)) => self.now.saturating_add(microseconds),
            Ok(Value::Datetime(time)) => time,
            Ok(Value::Date(day)) => i64::from(day).saturating_mul(86_400_000_000),
            Ok(other) => {
                let failure = failures::expression("the time to wait", format!("it is {}", other.kind()));
                return self.fail(at, failure, false);
            }
            Err(failure) => return self.fail(at, failure, false),
        };
        self.enter(at, StepState::Wait { until });
        if until <= self.now {
            self.waited(at);
        } else {
            self.start_timer(at, "wait", until);
        }
    }

    pub fn waited(&mut self, at: &At<'a>) {
        self.record_done(at, None);
        self.done(at, None);
    }
}
