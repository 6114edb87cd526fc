//! Canonical bytes and the plan's identity.
//!
//! The canonical form is JSON without insignificant white space: the fields of each object in the order of their
//! declaration here, the names of maps in the order of their bytes, records in the order in which they were written,
//! numbers and texts as `serde_json` writes them, optional parts that are absent left out. The same plan gives the same
//! bytes on every machine, and only those bytes are accepted back.

mod references;

use crate::value::json_depth;
use crate::{PLAN_FORMAT, Plan};
use sha2::{Digest, Sha256};
use std::fmt;
use std::fmt::Write as _;

/// Brackets of JSON inside each other, at most, in a plan.
pub const JSON_DEPTH_MAX: usize = 1_200;
/// Expressions inside each other, at most, in one expression of a plan.
pub const EXPRESSION_DEPTH_MAX: usize = 200;
/// Blocks inside each other, at most.
pub const BLOCK_DEPTH_MAX: usize = 64;

/// The SHA-256 of a plan's canonical bytes, written `plan_` and 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct PlanId(pub String);

impl PlanId {
    /// The id of a plan with these canonical bytes.
    pub fn of_bytes(bytes: &[u8]) -> PlanId {
        let mut text = String::from("plan_");
        for byte in Sha256::digest(bytes) {
            write!(text, "{byte:02x}").expect("writing to a String never fails");
        }
        PlanId(text)
    }
}

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why bytes are not a plan.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("this is not a plan: {0}")]
    Malformed(String),
    #[error(
        "the plan has format {found}, and this program reads format {PLAN_FORMAT}; compile the flow again, or use the program that wrote it"
    )]
    Version { found: u64 },
    #[error("the plan was changed after it was written: its bytes make {found}, not {expected}")]
    Tampered { expected: PlanId, found: PlanId },
    #[error("the plan is not in its canonical form, so it was not written by the compiler")]
    NotCanonical,
    #[error("the plan is nested more than {max} deep ({what})")]
    TooDeep { what: &'static str, max: usize },
    /// Something is named that is not there, or stands for itself.
    #[error("the plan contradicts itself: {0}")]
    Contradiction(String),
}

impl Plan {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a plan's maps have text keys and its floats are finite")
    }

    pub fn id(&self) -> PlanId {
        PlanId::of_bytes(&self.encode())
    }

    /// Reads canonical bytes. Refuses every other version, unknown fields, bytes that are not canonical, bytes with
    /// another id than the expected one, references to what is not there, circles, and absurd depth. Never panics.
    pub fn decode(bytes: &[u8], expected: Option<&PlanId>) -> Result<Plan, DecodeError> {
        if let Some(expected) = expected {
            let found = PlanId::of_bytes(bytes);
            if found != *expected {
                return Err(DecodeError::Tampered { expected: expected.clone(), found });
            }
        }
        if json_depth(bytes) > JSON_DEPTH_MAX {
            return Err(DecodeError::TooDeep { what: "brackets", max: JSON_DEPTH_MAX });
        }
        check_version(bytes)?;
        on_deep_stack(|| read_and_compare(bytes))
    }

    /// Checks that all that is named is there, and that nothing contains itself: what [`Plan::decode`] does after
    /// reading.
    pub fn verify(&self) -> Result<(), DecodeError> {
        references::verify(self)
    }
}

fn read_and_compare(bytes: &[u8]) -> Result<Plan, DecodeError> {
    let plan: Plan = read(bytes)?;
    plan.verify()?;
    if plan.encode() != bytes {
        return Err(DecodeError::NotCanonical);
    }
    Ok(plan)
}

/// Only the version, whatever else a plan of another version may hold.
fn check_version(bytes: &[u8]) -> Result<(), DecodeError> {
    #[derive(serde::Deserialize)]
    struct Version {
        format: u64,
    }
    let Version { format } = read(bytes)?;
    if format == u64::from(PLAN_FORMAT) { Ok(()) } else { Err(DecodeError::Version { found: format }) }
}

fn read<'a, T: serde::Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, DecodeError> {
    let malformed = |error: serde_json::Error| DecodeError::Malformed(error.to_string());
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    // The depth was bounded before; a long sum nests deeper than the reader's own limit.
    reader.disable_recursion_limit();
    let value = T::deserialize(&mut reader).map_err(malformed)?;
    reader.end().map_err(malformed)?;
    Ok(value)
}

/// Reading recurses once per bracket, which at the allowed depth needs more stack than a worker thread may have.
fn on_deep_stack<T: Send>(read: impl FnOnce() -> Result<T, DecodeError> + Send) -> Result<T, DecodeError> {
    const STACK_BYTES: usize = 64 << 20;
    std::thread::scope(|scope| {
        let started = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, read);
        let thread = started.map_err(|error| DecodeError::Malformed(format!("no thread to read it on: {error}")))?;
        thread.join().unwrap_or_else(|_| Err(DecodeError::Malformed("reading it failed".to_owned())))
    })
}
