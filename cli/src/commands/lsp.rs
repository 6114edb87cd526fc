use crate::exit::{Code, Result};
use crate::loading::levels;
use crate::project::{Project, SETTINGS_FILE};
use crate::store::block_on;
use pmflow_compiler::lints::Levels;
use std::path::{Path, PathBuf};

/// Serve an editor: the language server, over standard input and output
#[derive(Debug, clap::Args)]
#[command(after_help = "An editor starts this; by hand it waits for messages of the Language Server Protocol.")]
pub struct Arguments {}

pub fn run() -> Result<Code> {
    block_on(async {
        // The protocol wants a failure when the editor left without saying so.
        Ok(if pmflow_lsp::serve(levels_of).await { Code::Fine } else { Code::Problems })
    })
}

/// As `pmflow check` reads them; a settings file that cannot be read silences nothing.
fn levels_of(folder: &Path) -> (Levels, Option<PathBuf>) {
    let Ok(project) = Project::of(folder) else { return (Levels::default(), None) };
    (levels(&project).unwrap_or_default(), Some(project.root.join(SETTINGS_FILE)))
}
