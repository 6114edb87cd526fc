use crate::exit::{Code, Result};
use crate::store::block_on;

/// Serve an editor: the language server, over standard input and output
#[derive(Debug, clap::Args)]
#[command(after_help = "An editor starts this; by hand it waits for messages of the Language Server Protocol.")]
pub struct Arguments {}

pub fn run() -> Result<Code> {
    block_on(async {
        pmflow_lsp::serve().await;
        Ok(Code::Fine)
    })
}
