//! Keys made from what a call is for, so that they are the same after every crash.

use sha2::{Digest, Sha256};

/// A key over parts; no two lists of parts give the same bytes.
pub(crate) fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `pmflow-` and 40 hexadecimal digits: short enough for every service that takes one.
pub(crate) fn idempotency(parts: &[&str]) -> String {
    let digits: String = digest(parts).chars().take(40).collect();
    format!("pmflow-{digits}")
}
