use crate::exit::{Code, Result};
use crate::loading::{Target, load_flow};
use crate::terminal::Terminal;

/// Print a flow's plan: the JSON that the runtime executes
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pmflow plan leads.pmflow
  pmflow plan leads.pmflow:qualify_leads --id     its hash alone
  pmflow plan leads.pmflow --canonical            the bytes that are hashed

The shape is described in docs/plan.md.")]
pub struct Arguments {
    /// FILE, or FILE:FLOW where a file has several flows
    #[arg(value_name = "FLOW")]
    target: Target,

    /// Only the plan's id.
    #[arg(long, conflicts_with = "canonical")]
    id: bool,

    /// The canonical bytes, as they are hashed and stored.
    #[arg(long)]
    canonical: bool,
}

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    let Some((_, priced)) = load_flow(&arguments.target, terminal)? else { return Ok(Code::Problems) };
    if arguments.id {
        terminal.line(&priced.plan.id().0);
    } else if arguments.canonical {
        terminal.print(&String::from_utf8_lossy(&priced.plan.encode()));
    } else {
        let json = serde_json::to_string_pretty(&priced.plan)
            .map_err(|error| crate::exit::Failed::new(format!("the plan cannot be written as JSON: {error}")))?;
        terminal.line(&json);
    }
    Ok(Code::Fine)
}
