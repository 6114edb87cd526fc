//! What happens, told to whoever measures it. Nothing of it is content: no prompt, no answer, no row, no key of an item.

use crate::clock;
use pmflow_engine::{Finish, ModelCall, RunEnd, Time};
use pmflow_plan::Usage;
use pmflow_plan::failure::Failure;
use pmflow_providers::{Failed, Response, Stop};
use std::time::Duration;

/// Hears what happens, on the task where it does: it must not wait for anything.
pub trait Observer: std::fmt::Debug + Send + Sync + 'static {
    fn see(&self, seen: &Seen<'_>);
}

#[derive(Debug)]
pub enum Seen<'s> {
    ModelCall(ModelCallSeen<'s>),
    OperationCall(OperationCallSeen<'s>),
    /// A call was let through after it had waited for its turn so long.
    TurnCame {
        provider: &'s str,
        model: &'s str,
        waited: Duration,
    },
    RunEnded {
        run: &'s str,
        flow: &'s str,
        started_at: Time,
        end: &'s RunEnd,
    },
}

/// One request to a model, and what came of it.
#[derive(Debug)]
pub struct ModelCallSeen<'s> {
    pub run: &'s str,
    pub flow: &'s str,
    pub prompt: &'s str,
    /// As in `openai/gpt-6-luna`.
    pub provider: &'s str,
    /// As the provider calls it.
    pub model: &'s str,
    pub attempt: u32,
    pub output_tokens_max: u64,
    pub temperature_milli: Option<u32>,
    pub started_at: Time,
    pub ended_at: Time,
    pub answer: Result<AnswerSeen<'s>, &'s Failure>,
}

#[derive(Debug)]
pub struct AnswerSeen<'s> {
    /// In the provider's words.
    pub model: Option<&'s str>,
    pub id: Option<&'s str>,
    pub finish: &'s Finish,
    pub usage: &'s Usage,
}

/// One call of a connector's operation.
#[derive(Debug)]
pub struct OperationCallSeen<'s> {
    pub run: &'s str,
    pub flow: &'s str,
    pub operation: &'s str,
    pub started_at: Time,
    pub ended_at: Time,
    pub failure: Option<&'s Failure>,
}

/// One run, for whoever measures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch<'s> {
    pub observer: &'s dyn Observer,
    pub run: &'s str,
    pub flow: &'s str,
}

impl Watch<'_> {
    pub fn model_call(&self, call: &ModelCall, provider: &str, model: &str, started_at: Time, answer: &Result<Response, Failed>) {
        let finish = answer.as_ref().map(|response| finish_of(response.stop)).unwrap_or(Finish::Complete);
        let answer = match answer {
            Ok(response) => Ok(AnswerSeen {
                model: response.model.as_deref(),
                id: response.request_id.as_deref(),
                finish: &finish,
                usage: &response.usage,
            }),
            Err(failed) => Err(&failed.failure),
        };
        self.observer.see(&Seen::ModelCall(ModelCallSeen {
            run: self.run,
            flow: self.flow,
            prompt: &call.prompt,
            provider,
            model,
            attempt: call.call.attempt,
            output_tokens_max: call.output_tokens_max,
            temperature_milli: call.temperature_milli,
            started_at,
            ended_at: clock::now(),
            answer,
        }));
    }

    pub fn operation_call<T>(&self, operation: &str, started_at: Time, answer: &Result<T, Failure>) {
        let (run, flow, ended_at, failure) = (self.run, self.flow, clock::now(), answer.as_ref().err());
        self.observer.see(&Seen::OperationCall(OperationCallSeen { run, flow, operation, started_at, ended_at, failure }));
    }
}

pub(crate) fn finish_of(stop: Stop) -> Finish {
    match stop {
        Stop::Complete => Finish::Complete,
        Stop::Truncated => Finish::Truncated,
        Stop::Refused => Finish::Refused,
    }
}

/// Nobody measures.
#[derive(Debug)]
pub(crate) struct Nobody;

impl Observer for Nobody {
    fn see(&self, _: &Seen<'_>) {}
}
