//! The flow as it was: in another file, or at a git revision. Nothing is checked out.

use crate::breaches::{self, BREACHES_FILE};
use crate::disk::{DiskWorld, Revision};
use crate::exit::{Failed, Result};
use crate::loading::{Target, plan_in};
use crate::project::{LOCK_FILE, Project};
use crate::terminal::Terminal;
use pmflow_compiler::cost::Catalog;
use pmflow_plan::Plan;
use std::path::Path;

/// None: the flow is new, which is said.
pub fn plan(earlier: &str, target: &Target, terminal: &Terminal) -> Result<Option<Plan>> {
    let file = Path::new(earlier);
    if file.is_file() {
        let world = DiskWorld::new(Project::here()?.catalog()?);
        let before = Target { file: file.to_owned(), flow: target.flow.clone() };
        return plan_in(world, &before).map(Some).map_err(|failed| compared(failed, &format!("`{earlier}`")));
    }
    let revision = Revision::find(earlier, &target.file)?;
    if !revision.has(&target.file)? {
        terminal.note(&format!(
            "`{}` is new: {earlier} does not have it, so there is nothing to compare with",
            target.file.display()
        ));
        return Ok(None);
    }
    let world = DiskWorld::at(revision.clone(), catalog(&revision, earlier)?);
    plan_in(world, target).map(Some).map_err(|failed| compared(failed, &format!("`{}` at {earlier}", target.file.display())))
}

/// The prices that were pinned then, or those that are built in now, corrected by what runs had seen by then.
fn catalog(revision: &Revision, earlier: &str) -> Result<Option<Catalog>> {
    let pinned = pinned(revision, earlier)?;
    let seen = Project::here()?.root.join(BREACHES_FILE);
    if !revision.has(&seen)? {
        return Ok(pinned);
    }
    let unread = |reason| Failed::new(format!("cannot read {BREACHES_FILE} at {earlier}: {reason}"));
    let text = revision.read(&seen).map_err(unread)?;
    let broken = breaches::parse(&String::from_utf8_lossy(&text))?;
    Ok(Some(pinned.unwrap_or_else(Catalog::unread).corrected(broken)))
}

fn pinned(revision: &Revision, earlier: &str) -> Result<Option<Catalog>> {
    let lock = Project::here()?.root.join(LOCK_FILE);
    if !revision.has(&lock)? {
        return Ok(None);
    }
    let text = revision.read(&lock).map_err(|reason| Failed::new(format!("cannot read {LOCK_FILE} at {earlier}: {reason}")))?;
    let read = Catalog::from_json(&String::from_utf8_lossy(&text), crate::disk::today());
    read.map(Some).map_err(|error| {
        Failed::new(format!("the prices in {LOCK_FILE} at {earlier} cannot be used:\n  {}", error.reasons.join("\n  ")))
    })
}

fn compared(failed: Failed, what: &str) -> Failed {
    Failed { message: format!("{what} cannot be compared with: {}", failed.message), help: failed.help }
}
