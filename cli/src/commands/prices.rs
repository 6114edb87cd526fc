use crate::breaches::{self, BREACHES_FILE};
use crate::exit::{Code, Failed, Result};
use crate::format::plural;
use crate::project::{LOCK_FILE, Project, read_catalog};
use crate::store::{block_on, failed, open_existing};
use crate::terminal::{Style, Terminal};
use pmflow_compiler::cost::Catalog;
use pmflow_compiler::cost::catalog::{ModelChange, changes};
use pmflow_store::{RunFilter, Store as _};
use std::path::{Path, PathBuf};

/// Pin the prices of a project, and say what newer ones would change
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pmflow prices diff                     what the built-in prices say otherwise than the project's
  pmflow prices diff --check             as above; exit code 2 when they differ
  pmflow prices update                   pin the built-in prices in pmflow.lock
  pmflow prices update catalog.json      pin those of a file
  pmflow prices breaches                 count with what runs were billed above their bounds

Without a pmflow.lock the built-in prices hold, and a newer pmflow may bring other
ones. A plan keeps the prices that it was made with.")]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Say what other prices would change; write nothing
    Diff {
        /// A catalog in the form of pmflow.lock; without it those that are built in.
        file: Option<PathBuf>,

        /// Exit with 2 when anything differs.
        #[arg(long)]
        check: bool,
    },
    /// Take over which facts runs saw broken, those of workers included, into pmflow.breaches.json
    Breaches,
    /// Write pmflow.lock, and say what changes by it
    Update {
        /// A catalog in the form of pmflow.lock; without it those that are built in.
        file: Option<PathBuf>,
    },
}

/// More changes are counted, not shown.
const MODELS_SHOWN_MAX: usize = 40;

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    let project = Project::here()?;
    match &arguments.what {
        What::Diff { file, check } => {
            let Some(pinned) = project.pinned_catalog()? else {
                terminal.line(&format!("this project pins no prices: there is no {LOCK_FILE}; those that are built in hold"));
                return Ok(Code::Fine);
            };
            let found = changes(&pinned, or_builtin(&named(file.as_deref())?));
            if found.is_empty() {
                terminal.line(&format!("{LOCK_FILE} says the same: nothing would change"));
                return Ok(Code::Fine);
            }
            show(&found, terminal);
            terminal.line(&format!("\n`pmflow prices update{}` takes them over", shown(file.as_deref())));
            Ok(if *check { Code::Policy } else { Code::Fine })
        }
        What::Breaches => seen_by_runs(&project, terminal),
        What::Update { file } => update(&project, file.as_deref(), terminal),
    }
}

fn update(project: &Project, file: Option<&Path>, terminal: &Terminal) -> Result<Code> {
    let path = project.root.join(LOCK_FILE);
    let newer = named(file)?;
    let newer = or_builtin(&newer);
    // A lock that cannot be read is replaced, but not in silence.
    let pinned = match project.pinned_catalog() {
        Ok(pinned) => pinned,
        Err(failed) => {
            terminal.note(&failed.message);
            None
        }
    };
    let found = changes(or_builtin(&pinned), newer);
    show(&found, terminal);
    let written = std::fs::write(&path, newer.to_json());
    written.map_err(|error| Failed::new(format!("cannot write `{}`: {}", path.display(), crate::disk::reason(&error))))?;
    let short: String = newer.hash().chars().take(12).collect();
    let how = match (&pinned, found.len()) {
        (None, 0) => "as they are built in".to_owned(),
        (None, count) => format!("{} otherwise than built in", plural(count as u64, "model")),
        (Some(_), 0) => "as before".to_owned(),
        (Some(_), count) => format!("{} changed", plural(count as u64, "model")),
    };
    terminal.line(&format!("pinned catalog {short} in {LOCK_FILE}, {how}; check it in beside the flows"));
    Ok(Code::Fine)
}

const RUNS_PER_PAGE: u32 = 500;

fn seen_by_runs(project: &Project, terminal: &Terminal) -> Result<Code> {
    let seen = block_on(async {
        let store = open_existing(project).await?;
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = store.runs(&RunFilter::default(), after, RUNS_PER_PAGE).await.map_err(failed)?;
            let Some(last) = page.last() else { break };
            after = Some(last.cursor);
            for run in &page {
                seen.extend(breaches::broken_facts(&store, run).await?);
            }
        }
        // Runs are listed newest first; what was seen first counts first.
        seen.reverse();
        Ok(seen)
    })?;
    let new = breaches::remember(project, seen)?;
    for broken in &new {
        terminal.line(&broken.to_string());
    }
    terminal.line(&match new.is_empty() {
        true => "no run saw anything broken, or nothing that is not known".to_owned(),
        false => format!("remembered in {BREACHES_FILE}, and ceilings count with it from now on; check it in"),
    });
    Ok(Code::Fine)
}

/// None: those that are built in are meant.
fn named(file: Option<&Path>) -> Result<Option<Catalog>> {
    file.map(read_catalog).transpose()
}

fn or_builtin(catalog: &Option<Catalog>) -> &Catalog {
    catalog.as_ref().unwrap_or_else(|| Catalog::builtin())
}

fn shown(file: Option<&Path>) -> String {
    file.map(|file| format!(" {}", file.display())).unwrap_or_default()
}

fn show(found: &[ModelChange], terminal: &Terminal) {
    for change in found.iter().take(MODELS_SHOWN_MAX) {
        match change {
            ModelChange::Added { id } => terminal.line(&format!("+ {id}")),
            ModelChange::Removed { id } => terminal.line(&format!("- {id}")),
            ModelChange::Changed { id, fields } => {
                terminal.line(&format!("~ {id}"));
                for (field, before, after) in fields {
                    terminal.line(&format!("    {field}: {before} -> {after}"));
                }
            }
        }
    }
    if let Some(more) = found.len().checked_sub(MODELS_SHOWN_MAX).filter(|more| *more > 0) {
        terminal.line(&terminal.paint(Style::Quiet, &format!("… and {} more", plural(more as u64, "model"))));
    }
}
