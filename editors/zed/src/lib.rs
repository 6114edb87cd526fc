//! Starts `pmflow lsp` from the PATH of the project's shell.

use zed_extension_api::{self as zed, Command, LanguageServerId, Result, Worktree};

struct Pmflow;

impl zed::Extension for Pmflow {
    fn new() -> Self {
        Pmflow
    }

    fn language_server_command(&mut self, _: &LanguageServerId, worktree: &Worktree) -> Result<Command> {
        let command = worktree.which("pmflow").ok_or("pmflow is not on the PATH")?;
        Ok(Command { command, args: vec!["lsp".into()], env: worktree.shell_env() })
    }
}

zed::register_extension!(Pmflow);
