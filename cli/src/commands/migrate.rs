use crate::exit::{Code, Result};
use crate::project::{Project, StorePlace};
use crate::store::{block_on, failed, open};
use crate::terminal::Terminal;
use pmflow_store_postgres::PostgresOptions;

/// Make or bring up to date the tables of the project's database
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  DATABASE_URL=postgres://pmflow@db.example/pmflow pmflow migrate

The user of the address must be allowed to make tables. Run it once per version, before its workers
start; it may be run again, and by several at once.")]
pub struct Arguments {}

pub fn run(terminal: &Terminal) -> Result<Code> {
    let project = Project::here()?;
    block_on(async {
        match project.store_place() {
            StorePlace::File(path) => {
                // A file is brought up to date whenever it is opened.
                open(&project).await?;
                terminal.line(&format!("{} is up to date", path.display()));
            }
            StorePlace::Server(address) => {
                let options = PostgresOptions::at(&address).map_err(failed)?;
                let done = pmflow_store_postgres::migrate(&options).await.map_err(failed)?;
                let place = options.address();
                terminal.line(&match done.from {
                    None => format!("{place} has its tables now (layout {})", done.to),
                    Some(from) if from == done.to => format!("{place} is up to date (layout {from})"),
                    Some(from) => format!("{place} went from layout {from} to {}", done.to),
                });
            }
        }
        Ok(Code::Fine)
    })
}
