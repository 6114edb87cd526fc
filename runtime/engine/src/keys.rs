//! Keys made from what a call is for, so that they are the same after every crash.

use sha2::{Digest, Sha256};

/// A key over parts; no two lists of parts give the same bytes.
pub(crate) fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    hash.finalize().iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// `pmflow-` and 40 hexadecimal digits: short enough for every service that takes one.
pub(crate) fn idempotency(parts: &[&str]) -> String {
    let digits = digest(parts);
    format!("pmflow-{}", digits.get(..40).unwrap_or(&digits))
}
