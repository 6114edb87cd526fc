use crate::breaches::BREACHES_FILE;
use crate::exit::{Code, Result};
use crate::loading::levels;
use crate::project::{LOCK_FILE, Project, SETTINGS_FILE};
use crate::store::block_on;
use crate::testing;
use pmflow_lsp::Host;
use std::path::Path;

/// Serve an editor: the language server, over standard input and output
#[derive(Debug, clap::Args)]
#[command(after_help = "An editor starts this; by hand it waits for messages of the Language Server Protocol.")]
pub struct Arguments {}

pub fn run() -> Result<Code> {
    block_on(async {
        // The protocol wants a failure when the editor left without saying so.
        Ok(if pmflow_lsp::serve(Host { project_of, prompt_calls: testing::prompt_calls }).await {
            Code::Fine
        } else {
            Code::Problems
        })
    })
}

/// As the other commands read it; what cannot be read changes nothing.
fn project_of(folder: &Path) -> pmflow_lsp::Project {
    let Ok(project) = Project::of(folder) else { return pmflow_lsp::Project::default() };
    pmflow_lsp::Project {
        levels: levels(&project).unwrap_or_default(),
        catalog: project.catalog().unwrap_or_default(),
        files: vec![project.root.join(SETTINGS_FILE), project.root.join(LOCK_FILE), project.root.join(BREACHES_FILE)],
    }
}
