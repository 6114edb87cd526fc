use crate::exit::{Code, Result};
use crate::project::Project;
use crate::store::{block_on, failed, find, open_existing};
use crate::terminal::Terminal;
use pmflow_host::{Approvals, Fault, Host};
use pmflow_store::{Answer, Ask, Store as _};

/// Cancel a run: no new call starts, and the run ends as cancelled
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  pmflow cancel last\n  pmflow cancel 20261122-164512-3f9a")]
pub struct Arguments {
    /// A run's id, the beginning of one, or `last`.
    run: String,
}

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    let project = Project::here()?;
    block_on(async {
        let store = open_existing(&project).await?;
        let run = find(&store, &arguments.run).await?;
        let by = crate::commands::decide::this_user();
        match store.ask(&run.id, Ask::Cancel { by }).await.map_err(failed)? {
            Answer::Ended(status) => {
                terminal.line(&format!("run {} has ended already: {}", run.id, status.name()));
                return Ok(Code::Fine);
            }
            _ if crate::commands::runs::executor(&run).is_some() => {
                terminal.line(&format!("run {} is asked to cancel; no new call starts", run.id));
                return Ok(Code::Fine);
            }
            _ => {}
        }
        // Nobody executes it: this process takes it up for as long as it takes to end it.
        let host = Host::new(store, Fault::none());
        let live = host.resume(&run.id, Approvals::Wait, None).await.map_err(crate::commands::run::host_failed)?;
        let ended = live.end.await.map_err(|error| crate::exit::Failed::new(error.to_string()))?;
        let ended = ended.map_err(crate::commands::run::host_failed)?;
        terminal.line(&format!("run {} is {}", run.id, ended.status.name()));
        Ok(Code::Fine)
    })
}
