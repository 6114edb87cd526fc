use crate::commands::run::{dollars, host_failed};
use crate::exit::{Code, Failed, Result};
use crate::format::{moment, table};
use crate::project::Project;
use crate::store::{block_on, find, open_existing};
use crate::terminal::Terminal;
use pmflow_host::{Fault, Host};
use pmflow_plan::Money;

/// Say what calls had really cost whose outcome nobody knew
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pmflow reconcile last               the calls of unknown outcome, with the keys that were sent
  pmflow reconcile last 'sort/note[calm]/mood#1' --billed 0.0012
  pmflow reconcile last 'sort/note[calm]/mood#1' --not-billed

A call whose answer was lost (a process died, a connection broke) stays charged in full until
somebody looks it up in the provider's own record, by the key that was sent with it.")]
pub struct Arguments {
    /// A run's id, the beginning of one, or `last`.
    run: String,

    /// The call, `STEP#TRY`; those of unknown outcome are listed when it is left out.
    #[arg(requires = "outcome")]
    call: Option<String>,

    /// What it was billed, in dollars.
    #[arg(long, value_name = "DOLLARS", value_parser = dollars, allow_hyphen_values = true, group = "outcome")]
    billed: Option<Money>,

    /// It was not billed.
    #[arg(long, group = "outcome")]
    not_billed: bool,
}

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    let project = Project::here()?;
    block_on(async {
        let store = open_existing(&project).await?;
        let run = find(&store, &arguments.run).await?;
        let host = Host::new(store, Fault::none());
        if let Some(call) = &arguments.call {
            let actual = arguments.billed.unwrap_or(Money::ZERO);
            let held = host.reconcile(&run.id, call, actual).await.map_err(host_failed)?;
            terminal.line(&format!("{call} cost {actual}; it was charged {held} so far"));
            return Ok(Code::Fine);
        }
        if arguments.billed.is_some() || arguments.not_billed {
            return Err(Failed::new("which call?").help(format!("pmflow reconcile {} lists them", run.id)));
        }
        let unknown = host.unknown_calls(&run.id).await.map_err(host_failed)?;
        if unknown.is_empty() {
            terminal.line(&format!("the outcome of every call of run {} is known", run.id));
            return Ok(Code::Fine);
        }
        let rows = unknown.iter().map(|line| {
            vec![
                line.call.as_ref().map(ToString::to_string).unwrap_or_default(),
                line.model.clone().unwrap_or_default(),
                line.entry.charged.to_string(),
                moment(line.at),
                line.idempotency_key.clone().unwrap_or_default(),
            ]
        });
        terminal.print(&table(&["call", "model", ">charged", "since (UTC)", "key"], &rows.collect::<Vec<_>>()));
        Ok(Code::Fine)
    })
}
