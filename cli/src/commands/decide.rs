use crate::exit::{Code, Failed, Result};
use crate::format::{clip, moment};
use crate::project::Project;
use crate::store::{block_on, failed, find, open_existing};
use crate::terminal::{Style, Terminal};
use pmflow_store::{Answer, Approval, Ask, Store as _};

/// Which approval is decided
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pmflow approve last                  the open approvals of the last run, or its only one
  pmflow approve last moderate/approve
  pmflow reject  last --all")]
pub struct Arguments {
    /// A run's id, the beginning of one, or `last`.
    run: String,

    /// The step that asks; may be left out when there is one.
    step: Option<String>,

    /// Decide all that are open.
    #[arg(long, conflicts_with = "step")]
    all: bool,

    /// Who decides; the user of this machine when not given.
    #[arg(long = "as", value_name = "NAME")]
    by: Option<String>,
}

pub fn run(arguments: &Arguments, approved: bool, terminal: &Terminal) -> Result<Code> {
    let project = Project::here()?;
    block_on(async {
        let store = open_existing(&project).await?;
        let run = find(&store, &arguments.run).await?;
        let open = store.approvals(Some(&run.id)).await.map_err(failed)?;
        let chosen = choose(arguments, &open, run.id.0.as_ref())?;
        for approval in chosen {
            let by = arguments.by.clone().unwrap_or_else(this_user);
            let ask = Ask::Decide { step: approval.step.clone(), approved, by };
            let answer = store.ask(&run.id, ask).await.map_err(failed)?;
            let verb = if approved { "approved" } else { "rejected" };
            let line = match answer {
                Answer::AlreadyDecided { approved, by } => {
                    format!("{} was {} by {by} already", approval.step, if approved { "approved" } else { "rejected" })
                }
                Answer::Ended(status) => format!("the run has ended: {}", status.name()),
                Answer::NothingToDecide => format!("{} does not ask any more", approval.step),
                Answer::Recorded(_) | Answer::AlreadyAsked(_) => {
                    format!("{} {}", terminal.paint(Style::Good, verb), approval.step)
                }
            };
            terminal.line(&line);
        }
        if crate::commands::runs::executor(&run).is_none() {
            terminal.line(&format!("to go on: pmflow run --resume {}", run.id));
        }
        Ok(Code::Fine)
    })
}

fn choose<'a>(arguments: &Arguments, open: &'a [Approval], run: &str) -> Result<Vec<&'a Approval>> {
    let listed = || {
        let line =
            |approval: &Approval| format!("  {}  since {}: {}", approval.step, moment(approval.at), clip(&approval.text, 80));
        open.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    if open.is_empty() {
        return Err(Failed::new(format!("no step of run {run} asks for a decision")));
    }
    if arguments.all {
        return Ok(open.iter().collect());
    }
    match (&arguments.step, open) {
        (None, [only]) => Ok(vec![only]),
        (None, _) => Err(Failed::new(format!("several steps ask:\n{}", listed())).help("name one, or decide --all")),
        (Some(step), _) => match open.iter().find(|approval| approval.step.as_str() == step) {
            Some(approval) => Ok(vec![approval]),
            None => Err(Failed::new(format!("no step `{step}` asks; these do:\n{}", listed()))),
        },
    }
}

pub fn this_user() -> String {
    std::env::var("USER").ok().filter(|user| !user.is_empty()).unwrap_or_else(|| "the command line".to_owned())
}
