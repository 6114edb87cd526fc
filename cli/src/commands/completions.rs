use crate::exit::{Code, Result};
use crate::terminal::Terminal;
use clap::CommandFactory as _;

/// Print completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  pmflow completions bash > /etc/bash_completion.d/pmflow")]
pub struct Arguments {
    shell: clap_complete::Shell,
}

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut crate::Arguments::command(), "pmflow", &mut text);
    terminal.print(&String::from_utf8_lossy(&text));
    Ok(Code::Fine)
}
