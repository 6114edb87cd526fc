//! Dying on purpose, so that tests can kill a real process at every commit and every dispatch.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the boundaries that a process passes and kills it at the n-th, as `kill -9` would: no destructor runs, nothing
/// is flushed. Set with `PMFLOW_FAULT=commit:3`, `dispatch:3` or `any:3`; otherwise it does nothing.
#[derive(Debug, Default)]
pub struct Fault {
    at: Option<(Boundary, u64)>,
    passed: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// Before a commit is asked for, and again after it was acknowledged.
    Commit,
    /// Before a command is dispatched.
    Dispatch,
    Any,
}

impl Fault {
    pub fn none() -> Fault {
        Fault::default()
    }

    /// Reads `commit:3`.
    pub fn parse(text: &str) -> Result<Fault, String> {
        let wrong = || format!("PMFLOW_FAULT is `{text}`; it must be commit:N, dispatch:N or any:N with N from 1");
        let (boundary, number) = text.split_once(':').ok_or_else(wrong)?;
        let boundary = match boundary {
            "commit" => Boundary::Commit,
            "dispatch" => Boundary::Dispatch,
            "any" => Boundary::Any,
            _ => return Err(wrong()),
        };
        let number = number.parse().ok().filter(|number| *number > 0).ok_or_else(wrong)?;
        Ok(Fault { at: Some((boundary, number)), passed: AtomicU64::new(0) })
    }

    pub fn pass(&self, boundary: Boundary) {
        let Some((wanted, number)) = self.at else { return };
        if wanted != Boundary::Any && wanted != boundary {
            return;
        }
        if self.passed.fetch_add(1, Ordering::SeqCst) + 1 == number {
            die();
        }
    }
}

/// The process ends at once, as if killed from outside.
fn die() -> ! {
    #[cfg(unix)]
    {
        let own = std::process::id().to_string();
        // The signal ends this process before the call returns; when it cannot be sent, abort does nearly the same.
        let _ = std::process::Command::new("kill").args(["-9", &own]).status();
    }
    std::process::abort()
}
