use crate::exit::{Code, Result};
use crate::format::{count, moment, span, table};
use crate::project::Project;
use crate::store::{block_on, failed, open_existing};
use crate::terminal::Terminal;
use pmflow_engine::RunStatus;
use pmflow_store::{Holder, RunFilter, RunSummary, Store as _};
use serde_json::json;

/// List runs, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pmflow runs
  pmflow runs --flow moderate --status failed
  pmflow runs --since 7d --format json")]
pub struct Arguments {
    /// Only those of this flow.
    #[arg(long)]
    flow: Option<String>,

    /// Only those that stand like this.
    #[arg(long, value_enum)]
    status: Option<Status>,

    /// Created since: 2026-11-22, 2026-11-22T16:45:00Z, 2h, 7d.
    #[arg(long, value_parser = crate::format::parse_moment)]
    since: Option<i64>,

    /// At most so many.
    #[arg(long, default_value_t = 20)]
    limit: u32,

    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Status {
    Running,
    Suspended,
    Succeeded,
    Failed,
    Cancelled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
}

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    let project = Project::here()?;
    let filter = RunFilter {
        flow: arguments.flow.clone(),
        status: arguments.status.map(|status| match status {
            Status::Running => RunStatus::Running,
            Status::Suspended => RunStatus::Suspended,
            Status::Succeeded => RunStatus::Succeeded,
            Status::Failed => RunStatus::Failed,
            Status::Cancelled => RunStatus::Cancelled,
        }),
        from: arguments.since,
        until: None,
    };
    let runs = block_on(async {
        if arguments.format == Format::Json && crate::store::missing(&project).is_some() {
            return Ok(Vec::new());
        }
        open_existing(&project).await?.runs(&filter, None, arguments.limit).await.map_err(failed)
    })?;
    match arguments.format {
        Format::Json => {
            let runs: Vec<_> = runs.iter().map(as_json).collect();
            terminal.line(&format!("{:#}", json!({ "version": 1, "runs": runs })));
        }
        Format::Table => {
            let rows: Vec<Vec<String>> = runs.iter().map(row).collect();
            terminal.print(&table(&["run", "flow", "status", ">items", ">outputs", ">cost", ">took", "started (UTC)"], &rows));
        }
    }
    Ok(Code::Fine)
}

/// A run that nobody executes although it has not ended: its process died.
pub fn status_text(run: &RunSummary) -> &'static str {
    match run.status {
        RunStatus::Running if executor(run).is_none() => "interrupted",
        status => status.name(),
    }
}

/// Who executes the run. A process that died holds it until its lease is over, and executes nothing.
pub fn executor(run: &RunSummary) -> Option<&Holder> {
    run.holder.as_ref().filter(|holder| !pmflow_host::is_dead(holder))
}

fn row(run: &RunSummary) -> Vec<String> {
    let simulated = if run.simulated { " (simulated)" } else { "" };
    vec![
        run.id.to_string(),
        run.flow.clone(),
        status_text(run).to_owned(),
        count(run.counters.items_done),
        count(run.counters.outputs),
        format!("{}{simulated}", run.account.committed()),
        span(run.ended_at.unwrap_or(run.changed_at).saturating_sub(run.created_at)),
        moment(run.created_at),
    ]
}

pub fn as_json(run: &RunSummary) -> serde_json::Value {
    json!({
        "id": run.id.to_string(),
        "flow": run.flow,
        "plan": run.plan.0,
        "status": run.status.name(),
        "executed_by": executor(run).map(|holder| json!({ "host": holder.process.host, "process": holder.process.number })),
        "simulated": run.simulated,
        "kept": run.kept.name(),
        "created_at": moment(run.created_at),
        "ended_at": run.ended_at.map(moment),
        "failure": run.failure,
        "counters": run.counters,
        "cost": {
            "limit": run.account.limit,
            "settled": run.account.settled,
            "held": run.account.held,
            "unknown": run.account.unknown,
            "breaches": run.account.breaches,
        },
    })
}
