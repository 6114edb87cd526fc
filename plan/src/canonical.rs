//! Canonical bytes and the plan's identity.

/// The SHA-256 of a plan's canonical bytes, written `plan_` and 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct PlanId(pub String);

/// Why bytes are not a plan.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("this is not a plan: {0}")]
    Malformed(String),
}
