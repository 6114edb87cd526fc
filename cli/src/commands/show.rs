use crate::commands::runs::{as_json, status_text};
use crate::exit::{Code, Failed, Result};
use crate::format::{clip, count, moment, plural, span, table};
use crate::project::Project;
use crate::shrunk::ShrunkRequest;
use crate::store::{AnyStore, block_on, failed, find, open_existing};
use crate::terminal::{Style, Terminal};
use pmflow_engine::ProviderBatch;
use pmflow_plan::SourceMap;
use pmflow_store::{Kept, RunSummary, Store as _, StoredStep, UsageRow};
use serde_json::json;

/// Show a run: its steps with tokens, money, time, and errors at their source lines
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pmflow show last
  pmflow show last --failed              only what did not work
  pmflow show 20261122 --format json")]
pub struct Arguments {
    /// A run's id, the beginning of one, or `last`.
    #[arg(default_value = "last")]
    run: String,

    /// Only attempts that failed.
    #[arg(long)]
    failed: bool,

    /// At most so many steps.
    #[arg(long, default_value_t = 100)]
    limit: u32,

    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
}

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    let project = Project::here()?;
    block_on(async {
        let store = open_existing(&project).await?;
        let run = find(&store, &arguments.run).await?;
        let map = store.plan(&run.plan).await.map_err(failed)?.source_map;
        let steps = store.steps(&run.id, arguments.failed, None, arguments.limit).await.map_err(failed)?;
        match arguments.format {
            Format::Json => json_page(&store, &run, &steps, &map, terminal).await?,
            Format::Table => page(&store, &run, &steps, &map, arguments, terminal).await?,
        }
        Ok(Code::Fine)
    })
}

async fn page(
    store: &AnyStore,
    run: &RunSummary,
    steps: &[StoredStep],
    map: &SourceMap,
    arguments: &Arguments,
    terminal: &Terminal,
) -> Result<()> {
    head(run, terminal);
    for row in breaches(store, run).await? {
        terminal.line(&format!("    {}", breach(&row)));
    }
    if let Some(text) = shrunk(&crate::shrunk::of_run(store, run).await?) {
        terminal.line(&format!("  shrunk   {text}"));
    }
    for batch in batches(store, run).await? {
        let calls = plural(batch.calls.len() as u64, "answer");
        terminal.line(&format!("  batch    {} of {}: {calls} awaited", batch.name, batch.model));
    }
    let rows: Vec<Vec<String>> = steps.iter().map(row).collect();
    terminal.line("");
    if rows.is_empty() {
        terminal.line(match (run.kept, arguments.failed) {
            (Kept::Sums, _) => "its steps were pruned",
            (_, true) => "no attempt failed",
            (_, false) => "no step was taken",
        });
    } else {
        terminal.print(&table(&["step", "try", "status", "what", ">in", ">out", ">cost", ">time"], &rows));
    }
    if steps.len() as u64 >= u64::from(arguments.limit) {
        terminal.note(&format!("the first {} attempts are shown; --limit shows more, --failed only failures", arguments.limit));
    }
    let failures = store.steps(&run.id, true, None, 20).await.map_err(failed)?;
    if !failures.is_empty() {
        terminal.line(&format!("\n{}", terminal.paint(Style::Strong, "What failed")));
    }
    for step in &failures {
        failure(step, map, false, terminal);
    }
    for item in store.failed_items(&run.id, None, 10).await.map_err(failed)? {
        let said = item.failure.as_ref().map_or("", |failure| failure.message.as_str());
        terminal.line(&format!("  item {} {}: {said}", item.path, item.status.name()));
    }
    for approval in store.approvals(Some(&run.id)).await.map_err(failed)? {
        terminal.line(&format!("\n{} {}", terminal.paint(Style::Warn, "waits for a decision:"), clip(&approval.text, 200)));
        terminal.line(&format!("  pmflow approve {} {}", run.id, approval.step));
        terminal.line(&format!("  pmflow reject  {} {}", run.id, approval.step));
    }
    Ok(())
}

fn head(run: &RunSummary, terminal: &Terminal) {
    let simulated = if run.simulated {
        terminal.paint(Style::Warn, "  (simulated: the answers are made up, the money is not real)")
    } else {
        String::new()
    };
    terminal.line(&format!("{} {}{simulated}", terminal.paint(Style::Strong, &format!("run {}", run.id)), status_text(run)));
    if let Some(failure) = &run.failure {
        terminal.line(&format!("  {}: {}", terminal.paint(Style::Bad, "why"), failure.message));
    }
    let pruned = match run.kept {
        Kept::Whole => None,
        Kept::Metadata => Some("what it was given, its results and its outputs' values; it cannot be resumed or retried"),
        Kept::Sums => Some("all but what is shown here and its ledger; it cannot be resumed or retried"),
    };
    if let Some(pruned) = pruned {
        terminal.line(&format!("  {}   {pruned}", terminal.paint(Style::Warn, "pruned")));
    }
    let counters = &run.counters;
    let took = span(run.ended_at.unwrap_or(run.changed_at).saturating_sub(run.created_at));
    terminal.line(&format!("  flow     {} (plan {})", run.flow, run.plan.0.get(..17).unwrap_or(&run.plan.0)));
    terminal.line(&format!("  started  {} UTC, took {took}", moment(run.created_at)));
    terminal.line(&format!(
        "  items    {} done, {} failed; {}, {}",
        count(counters.items_done),
        count(counters.items_failed),
        plural(counters.rows_read, "row") + " read",
        plural(counters.outputs, "output"),
    ));
    terminal.line(&format!(
        "  tokens   {} in, {} out in {} ({} from the cache)",
        count(counters.input_tokens),
        count(counters.output_tokens),
        plural(counters.model_calls, "call"),
        counters.cache_hits,
    ));
    let account = &run.account;
    let limit = account.limit.map_or_else(|| "no limit".to_owned(), |limit| format!("limit {limit}"));
    let unknown = if account.unknown.pico() == 0 { String::new() } else { format!(", {} of unknown outcome", account.unknown) };
    terminal.line(&format!("  cost     ${} settled{unknown}; {limit}", account.settled.to_decimal()));
    if account.breaches > 0 {
        let text =
            format!("{} cost more than was held: a fact of the price catalog does not hold", plural(account.breaches, "call"));
        terminal.line(&format!("  {}", terminal.paint(Style::Bad, &text)));
    }
}

/// Only what still holds money can have something in a batch.
async fn batches(store: &AnyStore, run: &RunSummary) -> Result<Vec<ProviderBatch>> {
    if run.account.held.pico() == 0 {
        return Ok(Vec::new());
    }
    pmflow_host::batches::of_run(store, &run.id).await.map_err(|error| Failed::new(error.to_string()))
}

async fn breaches(store: &AnyStore, run: &RunSummary) -> Result<Vec<UsageRow>> {
    if run.account.breaches == 0 { Ok(Vec::new()) } else { crate::breaches::of_run(store, &run.id).await }
}

/// `2 requests, the least to 75 of 300 tokens; the budget had no room for more`
fn shrunk(requests: &[ShrunkRequest]) -> Option<String> {
    let least = requests.iter().min_by_key(|request| request.output_tokens_max)?;
    let (cap, declared) = (count(least.output_tokens_max), count(least.declared));
    let requests = plural(requests.len() as u64, "request");
    Some(format!("{requests}, the least to {cap} of {declared} tokens; the budget had no room for more"))
}

fn shrunk_json(request: &ShrunkRequest) -> serde_json::Value {
    json!({
        "call": request.call,
        "model": request.model,
        "output_tokens_max": request.output_tokens_max,
        "declared": request.declared,
    })
}

/// `flow/step#1 openai/gpt-5.4-mini: $0.02 billed, $0.01 held; 1,200 tokens in, 900 out`
fn breach(row: &UsageRow) -> String {
    let call = row.call.as_ref().map(|call| call.to_string()).unwrap_or_default();
    let model = row.model.as_deref().unwrap_or_default();
    let usage = row.usage.unwrap_or_default();
    let input = [usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens].into_iter().flatten().sum();
    let (input, output) = (count(input), count(usage.output_tokens.unwrap_or(0)));
    format!("{call} {model}: {} billed, {} held; {input} tokens in, {output} out", row.entry.charged, row.entry.held)
}

fn row(step: &StoredStep) -> Vec<String> {
    let tokens = |count: Option<u64>| count.map(crate::format::count).unwrap_or_default();
    let usage = step.usage.unwrap_or_default();
    let what = match (&step.model, &step.target) {
        (Some(model), _) => model.clone(),
        (None, Some(target)) => target.clone(),
        (None, None) => step.kind.clone(),
    };
    let input =
        [usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens].into_iter().flatten().reduce(u64::saturating_add);
    vec![
        step.step.to_string(),
        step.attempt.to_string(),
        if step.from_cache { "from cache".to_owned() } else { step.status.name().to_owned() },
        what,
        tokens(input),
        tokens(usage.output_tokens),
        step.cost.map(|cost| cost.to_string()).unwrap_or_default(),
        span(step.ended_at.saturating_sub(step.started_at)),
    ]
}

/// Which step of which item failed, where it stands, and why. `beside`: on standard error.
pub fn failure(step: &StoredStep, map: &SourceMap, beside: bool, terminal: &Terminal) {
    let Some(failure) = &step.failure else { return };
    let place = map.places.get(&step.place).map(|place| format!("{}:{}:{}", place.file, place.line, place.column));
    let quiet = |text: &str| if beside { terminal.paint_note(Style::Quiet, text) } else { terminal.paint(Style::Quiet, text) };
    let place = place.map(|place| quiet(&format!("  at {place}"))).unwrap_or_default();
    terminal.say(beside, &format!("  {}#{} {}{place}", step.step, step.attempt, step.status.name()));
    terminal.say(beside, &format!("    {}", clip(&failure.message, 1000)));
}

fn breach_json(row: &UsageRow) -> serde_json::Value {
    json!({
        "call": row.call.as_ref().map(|call| call.to_string()),
        "prompt": row.prompt,
        "model": row.model,
        "held": row.entry.held,
        "billed": row.entry.charged,
        "usage": row.usage,
        "at": moment(row.at),
    })
}

async fn json_page(store: &AnyStore, run: &RunSummary, steps: &[StoredStep], map: &SourceMap, terminal: &Terminal) -> Result<()> {
    let approvals = store.approvals(Some(&run.id)).await.map_err(failed)?;
    let step_json = |step: &StoredStep| {
        json!({
            "step": step.step.as_str(),
            "attempt": step.attempt,
            "kind": step.kind,
            "target": step.target,
            "status": step.status.name(),
            "started_at": moment(step.started_at),
            "took_us": step.ended_at.saturating_sub(step.started_at),
            "result": step.result.as_ref().map(pmflow_plan::Value::to_json),
            "failure": step.failure,
            "model": step.model,
            "usage": step.usage,
            "cost": step.cost,
            "from_cache": step.from_cache,
            "place": map.places.get(&step.place),
        })
    };
    let approvals: Vec<_> = approvals
        .iter()
        .map(|approval| json!({ "step": approval.step.as_str(), "text": approval.text, "by": approval.by }))
        .collect();
    let mut whole = as_json(run);
    if let Some(fields) = whole.as_object_mut() {
        fields.insert("version".to_owned(), json!(1));
        fields.insert("steps".to_owned(), steps.iter().map(step_json).collect());
        fields.insert("approvals".to_owned(), json!(approvals));
        let batch = |batch: &ProviderBatch| json!({ "name": &*batch.name, "model": batch.model, "awaited": batch.calls.len() });
        fields.insert("batches".to_owned(), batches(store, run).await?.iter().map(batch).collect());
        let shrunk = crate::shrunk::of_run(store, run).await?;
        fields.insert("shrunk".to_owned(), shrunk.iter().map(shrunk_json).collect());
        fields.insert("breaches".to_owned(), breaches(store, run).await?.iter().map(breach_json).collect());
    }
    terminal.line(&format!("{whole:#}"));
    Ok(())
}
