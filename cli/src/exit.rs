//! Exit codes and the one error of the command line.

use std::process::ExitCode;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    Fine,
    /// Problems in the source, failed tests, files to be formatted.
    Problems,
    /// A policy or a budget was broken.
    Policy,
    /// Could not run, or the run failed.
    CouldNotRun,
    Interrupted,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> ExitCode {
        ExitCode::from(match code {
            Code::Fine => 0,
            Code::Problems => 1,
            Code::Policy => 2,
            Code::CouldNotRun => 3,
            Code::Interrupted => 130,
        })
    }
}

/// What went wrong outside the author's program, and how to mend it.
#[derive(Debug)]
pub struct Failed {
    pub message: String,
    pub help: Option<String>,
}

pub type Result<T> = std::result::Result<T, Failed>;

impl Failed {
    pub fn new(message: impl Into<String>) -> Failed {
        Failed { message: message.into(), help: None }
    }

    pub fn help(mut self, help: impl Into<String>) -> Failed {
        self.help = Some(help.into());
        self
    }
}
