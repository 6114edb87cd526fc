use crate::exit::{Code, Failed, Result};
use crate::format::{count, moment, plural};
use crate::project::Project;
use crate::retention::{Retention, parse_age, sweep};
use crate::store::{AnyStore, block_on, failed, open_existing};
use crate::terminal::Terminal;
use pmflow_store::{Prunable, Prune, Store as _};
use std::io::{BufRead as _, IsTerminal as _};
use std::time::Duration;

/// Remove what is old: payloads of runs first, their rows later, ledgers last
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pmflow prune --dry-run                          what would go by [retention] of pmflow.toml
  pmflow prune --payloads-after 30d --runs-after 400d --yes
  pmflow prune --payloads-after 7d --flow moderate

Only runs that have ended are pruned, and none that a run which is kept took over from. Their payloads
(inputs, results, outputs' values, cached answers) go first, later the rows of their steps, items and
outputs. What was spent stays 13 months whatever is asked: until then a run keeps one row with its
sums and its ledger, and `pmflow usage` stays right. Workers and `pmflow serve` prune once an hour when
[retention] is set.")]
pub struct Arguments {
    /// Payloads of runs that ended longer ago: 12h, 30d, 8w; [retention] payloads when not given.
    #[arg(long, value_name = "AGE", value_parser = parse_age, allow_hyphen_values = true)]
    payloads_after: Option<Duration>,

    /// Rows of runs that ended longer ago; [retention] runs when not given.
    #[arg(long, value_name = "AGE", value_parser = parse_age, allow_hyphen_values = true)]
    runs_after: Option<Duration>,

    /// Only runs of this flow, its cached answers and its triggers.
    #[arg(long)]
    flow: Option<String>,

    /// Only say what would go.
    #[arg(long)]
    dry_run: bool,

    /// Do not ask.
    #[arg(long, short = 'y')]
    yes: bool,

    /// Give the space back to the disk afterwards (SQLite): rewrites the file, which others wait for.
    #[arg(long)]
    vacuum: bool,
}

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    let project = Project::here()?;
    let settings = project.settings.retention;
    let retention = Retention {
        payloads: arguments.payloads_after.or(settings.payloads),
        runs: arguments.runs_after.or(settings.runs),
        ..settings
    };
    if retention.is_empty() {
        return Err(Failed::new("nothing says what is old").help(
            "give --payloads-after 30d, --runs-after 400d, or both; or write [retention] payloads = \"30d\" into pmflow.toml",
        ));
    }
    block_on(async {
        let store = open_existing(&project).await?;
        let now = store.clock().await.map_err(failed)?;
        let what = retention.prune(now, arguments.flow.clone());
        let prunable = store.prunable(&what).await.map_err(failed)?;
        preview(&what, &prunable, terminal);
        if arguments.dry_run || !agreed(arguments.yes, terminal)? {
            return Ok(Code::Fine);
        }
        let pruned = sweep(&store, &what, || false).await.map_err(failed)?;
        terminal.line(&format!(
            "pruned: {} emptied, {} removed, {} rows",
            plural(pruned.emptied, "run"),
            plural(pruned.removed, "run"),
            count(pruned.rows)
        ));
        space(&store, arguments.vacuum, terminal).await?;
        Ok(Code::Fine)
    })
}

fn preview(what: &Prune, prunable: &Prunable, terminal: &Terminal) {
    let flow = what.flow.as_ref().map(|flow| format!(" of `{flow}`")).unwrap_or_default();
    if let Some(before) = what.payloads_before {
        let runs = plural(prunable.emptied, "run");
        terminal.line(&format!("payloads of {runs}{flow} that ended before {} UTC", moment(before)));
    }
    if let Some(before) = what.runs_before {
        let runs = plural(prunable.removed, "run");
        terminal.line(&format!("rows of {runs}{flow} that ended before {} UTC; what they spent stays 13 months", moment(before)));
    }
    terminal.line(&format!("about {}, {}", plural(prunable.rows, "row"), size(prunable.bytes)));
}

fn agreed(yes: bool, terminal: &Terminal) -> Result<bool> {
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failed::new("what is pruned is gone, and nobody is there to agree").help("add --yes, or --dry-run to look"));
    }
    eprint!("this cannot be undone. Go on? [y/N] ");
    let mut answer = String::new();
    // No answer is a no.
    let _ = std::io::stdin().lock().read_line(&mut answer);
    let agreed = matches!(answer.trim(), "y" | "Y" | "yes");
    if !agreed {
        terminal.note("nothing was pruned");
    }
    Ok(agreed)
}

/// A file keeps what was freed in it for what comes; a server's own housekeeping does.
async fn space(store: &AnyStore, vacuum: bool, terminal: &Terminal) -> Result<()> {
    let AnyStore::Sqlite(file) = store else {
        terminal.line("the server uses the space again once its autovacuum has been there");
        return Ok(());
    };
    let free = file.free_bytes().await.map_err(failed)?;
    if vacuum {
        file.vacuum().await.map_err(failed)?;
        terminal.line(&format!("{} given back to the disk", size(free)));
    } else if free > 0 {
        terminal.line(&format!(
            "{} free in the file, used again for what comes; `pmflow prune --vacuum` gives them back to the disk",
            size(free)
        ));
    }
    Ok(())
}

/// `12.3 MB`
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{}.{} kB", bytes / 1_000, bytes % 1_000 / 100),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}
