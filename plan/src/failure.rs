//! Why a step failed, as data: stored with the run and shown to a person.

use crate::FailureClass;
use serde::{Deserialize, Serialize};

/// A failed call of a prompt, a source or an operation. Never holds a secret's value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    pub class: FailureClass,
    /// For a person: the thing, the place, the reason and, where there is one, the fix.
    pub message: String,
    /// What the other side asked for: not to be called again before so many milliseconds have passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    pub billing: Billing,
}

/// What is known about the cost, or the effect, of a call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Billing {
    /// No byte of the request left: the connection was refused, the name did not resolve, the request was never built.
    NotSent,
    /// Sent, and the other side proved that it did nothing for it: 401, 403, 404, 429 and their like.
    NotBilled,
    /// Sent, and nobody knows: time ran out after bytes left, 5xx, a connection that broke half-way.
    Unknown,
}

impl Failure {
    pub fn new(class: FailureClass, billing: Billing, message: impl Into<String>) -> Failure {
        Failure { class, message: message.into(), retry_after_ms: None, billing }
    }

    pub fn not_sent(class: FailureClass, message: impl Into<String>) -> Failure {
        Failure::new(class, Billing::NotSent, message)
    }

    pub fn not_billed(class: FailureClass, message: impl Into<String>) -> Failure {
        Failure::new(class, Billing::NotBilled, message)
    }

    pub fn unknown(class: FailureClass, message: impl Into<String>) -> Failure {
        Failure::new(class, Billing::Unknown, message)
    }

    pub fn retry_after_ms(mut self, milliseconds: Option<u64>) -> Failure {
        self.retry_after_ms = milliseconds;
        self
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
