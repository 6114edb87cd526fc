//! Places in a file, bound to the file's content.

use super::failure;
use pmflow_plan::Failure;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::UNIX_EPOCH;

const FIRST_BLOCK_BYTES: u64 = 64 << 10;

/// Enough to notice that a file is no longer the one that it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    pub bytes: u64,
    /// Of the last change, in nanoseconds since 1970; zero where the file system does not tell.
    pub changed: u64,
    /// SHA-256 of the first 64 KiB, its first sixteen hexadecimal digits.
    pub start: String,
}

impl Fingerprint {
    pub fn of(path: &Path) -> Result<Fingerprint, Failure> {
        let file = File::open(path).map_err(|error| failure(path, format!("cannot be opened: {error}")))?;
        let (bytes, changed) = size_and_change(path, &file)?;
        let mut first = Vec::new();
        let read = file.take(FIRST_BLOCK_BYTES).read_to_end(&mut first);
        read.map_err(|error| failure(path, format!("cannot be read: {error}")))?;
        let start = Sha256::digest(&first).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Ok(Fingerprint { bytes, changed, start })
    }

    /// That a cursor belongs to the file as it is now.
    pub(super) fn require(&self, path: &Path, now: &Fingerprint) -> Result<(), Failure> {
        if self == now { Ok(()) } else { Err(changed(path)) }
    }

    /// That the file has not changed since it was opened; cheap.
    pub(super) fn require_unchanged(&self, path: &Path) -> Result<(), Failure> {
        let file = File::open(path).map_err(|error| failure(path, format!("can no longer be opened: {error}")))?;
        let now = size_and_change(path, &file)?;
        if now == (self.bytes, self.changed) { Ok(()) } else { Err(changed(path)) }
    }
}

fn size_and_change(path: &Path, file: &File) -> Result<(u64, u64), Failure> {
    let metadata = file.metadata().map_err(|error| failure(path, format!("cannot be read: {error}")))?;
    if metadata.is_dir() {
        return Err(failure(path, "is a folder; name a file"));
    }
    let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Ok((metadata.len(), changed.and_then(|age| u64::try_from(age.as_nanos()).ok()).unwrap_or(0)))
}

fn changed(path: &Path) -> Failure {
    failure(path, "has changed since the run began to read it, so its rows can no longer be told apart; start a new run")
}

/// Where the next row begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cursor {
    pub fingerprint: Fingerprint,
    /// Rows before it.
    pub row: u64,
    /// Bytes before it; zero where an encoding has no such place, and the rows before are read again.
    pub offset: u64,
    /// Its line, from 1.
    pub line: u64,
}

impl Cursor {
    pub fn at_start(fingerprint: Fingerprint) -> Cursor {
        Cursor { fingerprint, row: 0, offset: 0, line: 1 }
    }

    pub fn parse(path: &Path, text: &str) -> Result<Cursor, Failure> {
        serde_json::from_str(text)
            .map_err(|error| failure(path, format!("was read up to a place that cannot be understood: {error}")))
    }

    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a cursor of numbers and texts can be written")
    }
}
