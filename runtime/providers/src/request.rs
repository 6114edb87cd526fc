//! What goes in and what comes out of [`crate::Client::send`].

use crate::allowance::Allowance;
use pmflow_plan::{Failure, Model, Role, Type, Usage};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// One call of a model. Nothing in it is a secret.
#[derive(Clone, Debug)]
pub struct Request {
    pub model: Arc<Model>,
    pub system: Option<String>,
    /// In order; the last one is the user's.
    pub messages: Vec<(Role, String)>,
    pub answer: Answer,
    /// The answer's type and the plan's named types. Only the simulated model reads them.
    pub answer_type: Type,
    pub types: Arc<BTreeMap<String, Type>>,
    /// Always sent as the provider's hard cap; thinking counts towards it.
    pub output_tokens_max: u64,
    /// None or zero: as little thinking as the model allows.
    pub thinking_tokens_max: Option<u64>,
    /// Thousandths. Left out where the model does not take one.
    pub temperature_milli: Option<u32>,
    /// For this one attempt, from the first byte sent to the last byte read.
    pub timeout: Duration,
    /// Differs between attempts that may be billed separately. No provider promises to honour it; proxies may.
    pub idempotency_key: String,
}

/// How the answer is asked for.
#[derive(Clone, Debug)]
pub enum Answer {
    Text,
    /// JSON that fits this JSON Schema, as [`pmflow_plan::schema::json_schema`] makes it: an object at the root, and
    /// `required` gives the order of the fields. Any other is asked for in words. `name` is what the provider calls it.
    Json {
        schema: Arc<AnswerSchema>,
        name: String,
    },
}

/// A JSON Schema, written out once for all calls.
#[derive(Clone, Debug)]
pub struct AnswerSchema {
    pub value: Value,
    pub text: String,
}

impl From<Value> for AnswerSchema {
    fn from(value: Value) -> AnswerSchema {
        AnswerSchema { text: value.to_string(), value }
    }
}

/// An answer, complete, cut off at the cap or declined. It was billed.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// As it came; [`pmflow_plan::schema::parse_answer`] reads it. Some open models' thinking aloud is left out.
    pub text: String,
    /// Disjoint counts; what the provider did not report is `None`.
    pub usage: Usage,
    /// The provider's own record, verbatim; null when there was none.
    pub raw_usage: Value,
    /// Why the reported usage cannot be right, in words. A count that cannot be a count at all (negative, beyond 2⁵³) is
    /// `None` in `usage`; one that is merely unbelievable (far above the cap) is kept.
    pub usage_doubts: Vec<String>,
    pub stop: Stop,
    /// The model that answered, in the provider's words.
    pub model: Option<String>,
    pub request_id: Option<String>,
    /// What the answer said about the provider's limits.
    pub allowances: Vec<Allowance>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    Complete,
    /// The output cap, or the context window, ended it.
    Truncated,
    /// The model, or a filter beside it, declined; `text` is the reason as it was given. A request that a filter turned
    /// away with an error status is a [`Failed`] of class `refusal` instead, for nothing was billed.
    Refused,
}

/// A failure, and what is known about its bill: `usage` is set when an answer came that cannot be used (none of text,
/// an error under a status of success), and then it is what the call cost, whatever `failure.billing` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    pub failure: Failure,
    pub usage: Option<Usage>,
    pub raw_usage: Option<Value>,
    pub usage_doubts: Vec<String>,
    pub request_id: Option<String>,
    /// What the answer, if there was one, said about the provider's limits.
    pub allowances: Vec<Allowance>,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Failed {
        Failed { failure, usage: None, raw_usage: None, usage_doubts: Vec::new(), request_id: None, allowances: Vec::new() }
    }
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.failure.fmt(f)
    }
}

impl std::error::Error for Failed {}
