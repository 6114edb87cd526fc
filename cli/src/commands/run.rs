use crate::breaches::{self, BREACHES_FILE};
use crate::exit::{Code, Failed, Result};
use crate::format::{clip, count, plural};
use crate::loading::{Loaded, Priced, Target, load_flow};
use crate::monitoring::{self, Logging};
use crate::progress;
use crate::project::Project;
use crate::store::{AnyStore, block_on, failed, find, open, open_existing};
use crate::terminal::{Style, Terminal};
use pmflow_compiler::cost::render;
use pmflow_engine::{RunEnd, RunId, RunStatus, StepStatus};
use pmflow_host::budgets::is_shared;
use pmflow_host::{Approvals, Fault, Host, HostError, Live, Setup, Wish};
use pmflow_plan::{FailureClass, Money, Plan};
use pmflow_store::{StepCursor, Store as _};
use std::collections::BTreeMap;
use std::io::{BufRead as _, IsTerminal as _};

/// Run a flow, or go on with a run
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pmflow run leads.pmflow --simulate                          offline, with a simulated model
  pmflow run leads.pmflow --simulate latency=50ms,rate_limit=5%
  pmflow run leads.pmflow --dry-run                           what it would cost; nothing is sent
  pmflow run blog.pmflow --input topic='Cost ceilings' --max-cost 0.25 --yes
  pmflow run --resume last                                    after Ctrl-C or a crash

Keys come from the environment (OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, …).
Everything is recorded in .pmflow/ before it is done; a run can be killed at any moment and
resumed, and nothing is paid for twice.")]
pub struct Arguments {
    /// FILE, or FILE:FLOW where a file has several flows
    #[arg(value_name = "FLOW")]
    target: Option<Target>,

    /// A parameter of the flow, `name=value`; lists and records as JSON. Repeatable.
    #[arg(long = "input", value_name = "NAME=VALUE", value_parser = key_value)]
    inputs: Vec<(String, String)>,

    /// Show what it would cost and end.
    #[arg(long)]
    dry_run: bool,

    /// Spend at most so many dollars in this run, below the flow's own budget.
    #[arg(long, value_name = "DOLLARS", value_parser = dollars, allow_hyphen_values = true)]
    max_cost: Option<Money>,

    /// Do not ask before spending real money.
    #[arg(long, short = 'y')]
    yes: bool,

    /// Use the built-in simulated model: offline, no key, no cost, the same answers every time. Options: latency=50ms,
    /// rate_limit=5%, seed=7, …
    #[arg(long, value_name = "OPTIONS", num_args = 0..=1, default_missing_value = "")]
    simulate: Option<String>,

    /// Leave the run to the workers (`pmflow worker`) instead of executing it here. Prints the run's id.
    #[arg(long, conflicts_with_all = ["resume", "dry_run"])]
    detach: bool,

    /// Go on with a run: its id, the beginning of one, or `last`.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["target", "inputs", "simulate", "dry_run"])]
    resume: Option<String>,

    /// What to do when a step asks a person. `leave` suspends the run until it is resumed; the default is to wait on a
    /// terminal and to leave otherwise.
    #[arg(long, value_enum)]
    approvals: Option<Decide>,

    /// How to show progress; the default is `bar` on a terminal and `plain` otherwise.
    #[arg(long, value_enum)]
    progress: Option<progress::Form>,

    #[command(flatten)]
    logging: Logging,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Decide {
    Wait,
    Leave,
    Approve,
    Reject,
}

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    arguments.logging.start_if_wanted();
    match (&arguments.resume, target(arguments)?) {
        (Some(wanted), _) => resume(wanted, arguments, terminal),
        (None, Some((target, simulate))) => start(&target, simulate, arguments, terminal),
        (None, None) => Err(Failed::new("which flow?").help("pmflow run FILE.pmflow, or pmflow run --resume last")),
    }
}

/// `--simulate leads.pmflow` means the flow, not an option of the simulated model.
fn target(arguments: &Arguments) -> Result<Option<(Target, Option<String>)>> {
    match (&arguments.target, &arguments.simulate) {
        (Some(target), simulate) => Ok(Some((target.clone(), simulate.clone()))),
        (None, Some(eaten)) if eaten.contains(".pmflow") => {
            let target = eaten.parse().map_err(Failed::new)?;
            Ok(Some((target, Some(String::new()))))
        }
        (None, _) => Ok(None),
    }
}

fn start(target: &Target, simulate: Option<String>, arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    let Some((loaded, priced)) = load_flow(target, terminal)? else { return Ok(Code::Problems) };
    if super::cost::print_findings(&loaded, &priced, terminal) {
        return Ok(Code::Problems);
    }
    let given: BTreeMap<String, String> = arguments.inputs.iter().cloned().collect();
    let input = pmflow_host::input::read(&priced.plan, &given).map_err(|error| Failed::new(error.to_string()))?;
    let setup = setup(&loaded, target, simulate, arguments.max_cost)?;
    setup.check(&priced.plan).map_err(host_failed)?;
    // The workers have keys of their own.
    if !arguments.dry_run && !arguments.detach {
        let help = "`--simulate` runs offline, without a key";
        setup.check_keys(&priced.plan).map_err(|error| host_failed(error).help(help))?;
    }
    if let Some(code) = preview(&priced, &setup, arguments, terminal)? {
        return Ok(code);
    }
    let expected = expected_rows(&priced);
    let fault = fault()?;
    block_on(async {
        let store = open(&loaded.project).await?;
        let (host, telemetry) = monitoring::observed(Host::new(store.clone(), fault))?;
        if arguments.detach {
            let id = host.leave(priced.plan, priced.map, input, setup).await.map_err(host_failed)?;
            terminal.line(&id.to_string());
            terminal.note(&format!("left to the workers; how it goes: pmflow show {id}"));
            return Ok(Code::Fine);
        }
        let flow_file = target.file.display().to_string();
        let live =
            host.start(priced.plan, priced.map, input, setup, approvals(arguments.approvals)).await.map_err(host_failed)?;
        let code = watch(&store, live, &flow_file, Shown { expected, form: arguments.progress }, terminal).await;
        monitoring::flush(telemetry).await;
        code
    })
}

fn resume(wanted: &str, arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    let project = Project::here()?;
    let fault = fault()?;
    block_on(async {
        let store = open_existing(&project).await?;
        let run = find(&store, wanted).await?;
        if matches!(run.status, RunStatus::Failed | RunStatus::Suspended)
            && run.failure.as_ref().is_some_and(|failure| failure.class == FailureClass::Budget && !is_shared(failure))
            && arguments.max_cost.is_none()
        {
            return Err(Failed::new(format!("run {} ended because its budget was used up", run.id))
                .help(format!("give it more: pmflow run --resume {} --max-cost DOLLARS", run.id)));
        }
        let (host, telemetry) = monitoring::observed(Host::new(store.clone(), fault))?;
        let live = host.resume(&run.id, approvals(arguments.approvals), arguments.max_cost).await.map_err(host_failed)?;
        let code = watch(&store, live, &run.flow, Shown { expected: None, form: arguments.progress }, terminal).await;
        monitoring::flush(telemetry).await;
        code
    })
}

pub fn setup(loaded: &Loaded, target: &Target, simulate: Option<String>, cost_max: Option<Money>) -> Result<Setup> {
    let file = target.file.canonicalize().map_err(|error| Failed::new(crate::disk::reason(&error)))?;
    let urls = |of: &BTreeMap<String, crate::project::ConnectorSettings>| {
        of.iter().filter_map(|(name, settings)| Some((name.clone(), settings.base_url.clone()?))).collect()
    };
    Ok(Setup {
        folder: file.parent().map(std::path::Path::to_owned).unwrap_or_default(),
        simulate,
        connector_urls: urls(&loaded.project.settings.connectors),
        provider_urls: urls(&loaded.project.settings.providers),
        cost_max,
        user: crate::commands::decide::this_user(),
        origin: None,
    })
}

/// How many rows the author expects from all sources together.
fn expected_rows(priced: &Priced) -> Option<u64> {
    let rows = priced.estimate.symbols.iter().filter(|symbol| symbol.name.starts_with("rows("));
    let milli: u64 = rows.filter_map(|symbol| symbol.count.expected_milli).sum();
    Some(milli / 1000).filter(|rows| *rows > 0)
}

pub fn approvals(wanted: Option<Decide>) -> Approvals {
    match wanted {
        Some(Decide::Wait) => Approvals::Wait,
        Some(Decide::Leave) => Approvals::Leave,
        Some(Decide::Approve) => Approvals::Approve,
        Some(Decide::Reject) => Approvals::Reject,
        None if std::io::stderr().is_terminal() => Approvals::Wait,
        None => Approvals::Leave,
    }
}

pub fn fault() -> Result<Fault> {
    match std::env::var("PMFLOW_FAULT") {
        Ok(text) if !text.is_empty() => Fault::parse(&text).map_err(Failed::new),
        _ => Ok(Fault::none()),
    }
}

/// What it will cost, and the question. Some: it ends here.
fn preview(priced: &Priced, setup: &Setup, arguments: &Arguments, terminal: &Terminal) -> Result<Option<Code>> {
    let real = setup.simulate.is_none();
    let limit = [priced.plan.flows.get(&priced.plan.flow).and_then(|flow| flow.settings.budget.run), setup.cost_max];
    let limit = limit.into_iter().flatten().min();
    let ceiling = priced.estimate.run.ceiling.known();
    if arguments.dry_run {
        terminal.print(&render::table(&priced.estimate, &[], &priced.map));
        terminal.line("nothing was run (--dry-run)");
        return Ok(Some(Code::Fine));
    }
    let at_most = match (ceiling, limit) {
        (Some(ceiling), Some(limit)) if limit < ceiling => {
            format!("at most {limit} (its budget; the proven ceiling is {ceiling})")
        }
        (Some(ceiling), _) => format!("at most {ceiling} (proven)"),
        (None, Some(limit)) => format!("at most {limit} (its budget; no ceiling is proven)"),
        (None, None) => "without any limit: no ceiling is proven and there is no budget".to_owned(),
    };
    if !real {
        terminal.note(
            &terminal.paint_note(Style::Warn, "simulated: the answers are made up and nothing is paid; for real it would cost"),
        );
        terminal.note(&format!("  {at_most}"));
        return Ok(None);
    }
    let batched: Vec<&str> = batched(&priced.plan).collect();
    if !batched.is_empty() {
        terminal.note(&format!(
            "answers of {} come from the provider's batches, within a day as a rule: Ctrl-C suspends the run meanwhile, and nothing is lost",
            batched.join(", ")
        ));
    }
    let spends = !priced.plan.prompts.is_empty() && ceiling != Some(Money::ZERO);
    if spends {
        terminal.note(&format!("this run spends real money, {at_most}"));
    }
    if !spends || confirmed(arguments.yes, terminal)? {
        return Ok(None);
    }
    Ok(Some(Code::Fine))
}

/// Prompts whose requests are sent in batches.
fn batched(plan: &Plan) -> impl Iterator<Item = &str> {
    let has_batches = |id: &String| plan.models.get(id).is_some_and(|model| model.price.batch.is_some());
    let prompts = plan.prompts.values().filter(move |prompt| prompt.batch && prompt.chain.iter().any(has_batches));
    prompts.map(|prompt| prompt.name.as_str())
}

/// Asks before real money is spent, where somebody is there to be asked.
pub fn confirmed(yes: bool, terminal: &Terminal) -> Result<bool> {
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        return Err(
            Failed::new("real money needs a yes, and nobody is there to give it").help("add --yes, or --simulate to run offline")
        );
    }
    eprint!("go on? [y/N] ");
    let mut answer = String::new();
    // No answer is a no.
    let _ = std::io::stdin().lock().read_line(&mut answer);
    let confirmed = matches!(answer.trim(), "y" | "Y" | "yes");
    if !confirmed {
        terminal.note("nothing was run");
    }
    Ok(confirmed)
}

/// How progress is shown; `expected`: the rows that the author expects.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    pub expected: Option<u64>,
    pub form: Option<progress::Form>,
}

/// Shows progress until the run ends, and takes Ctrl-C for "stop cleanly".
pub async fn watch(store: &AnyStore, live: Live, flow: &str, shown: Shown, terminal: &Terminal) -> Result<Code> {
    let id = live.id.clone();
    let Live { mut end, wish, progress, simulated, .. } = live;
    let display = tokio::spawn(progress::show(progress, shown.form, id.to_string(), shown.expected, terminal.color_on_stderr()));
    let mut interrupted = 0;
    let ended = loop {
        tokio::select! {
            ended = &mut end => break ended,
            _ = tokio::signal::ctrl_c() => {
                interrupted += 1;
                if interrupted > 1 {
                    display.abort();
                    terminal.note(&format!("\nstopped at once; what was under way may have been billed. Resume: pmflow run --resume {id}"));
                    return Ok(Code::Interrupted);
                }
                terminal.note("\nstopping: calls under way are finished and recorded; Ctrl-C again stops at once");
                wish.send_replace(Wish::Pause);
            }
        }
    };
    let ended = ended.map_err(|error| Failed::new(format!("the run's task failed: {error}")))?;
    // The display ends with the run's last progress.
    let _ = display.await;
    match ended {
        Ok(end) => {
            let code = report(&id.to_string(), flow, &end, interrupted > 0, simulated, terminal);
            if end.account.breaches > 0 {
                remember_breaches(store, &id, terminal).await?;
            }
            failures(store, &id, &end, terminal).await?;
            if end.status == RunStatus::Suspended {
                questions(store, &id, terminal).await?;
            }
            Ok(code)
        }
        Err(error) => {
            let failed = host_failed(error);
            let help = format!("nothing that was recorded is lost; resume: pmflow run --resume {id}");
            Err(Failed { help: Some(failed.help.unwrap_or(help)), ..failed })
        }
    }
}

/// A fact that did not hold counts for less from now on, in the open.
async fn remember_breaches(store: &AnyStore, id: &RunId, terminal: &Terminal) -> Result<()> {
    let broken = breaches::broken_facts(store, &store.run(id).await.map_err(failed)?).await?;
    let new = breaches::remember(&Project::here()?, broken)?;
    for broken in &new {
        terminal.note(&format!("  {broken}"));
    }
    if !new.is_empty() {
        terminal.note(&format!("  remembered in {BREACHES_FILE}, and ceilings count with it from now on; check it in"));
    }
    Ok(())
}

/// Where it failed: item, step, reason and source line of the first few failures.
async fn failures(store: &AnyStore, id: &RunId, end: &RunEnd, terminal: &Terminal) -> Result<()> {
    if end.failure.is_none() && end.counters.items_failed == 0 {
        return Ok(());
    }
    let map = store.plan(&store.run(id).await.map_err(failed)?.plan).await.map_err(failed)?.source_map;
    let mut after = None;
    let mut shown = 0;
    for _ in 0..FAILURE_PAGES_MAX {
        let page = store.steps(id, true, after.as_ref(), 500).await.map_err(failed)?;
        let Some(last) = page.last() else { break };
        after = Some(StepCursor { step: last.step.clone(), attempt: last.attempt });
        for step in page.iter().filter(|step| step.status == StepStatus::Failed) {
            super::show::failure(step, &map, true, terminal);
            shown += 1;
            if shown == FAILURES_SHOWN {
                return Ok(());
            }
        }
    }
    Ok(())
}

const FAILURES_SHOWN: usize = 3;
/// Of 500 attempts each; tries that failed and were made again stand between those that failed for good.
const FAILURE_PAGES_MAX: usize = 20;

/// What a suspended run waits for, and how to answer.
async fn questions(store: &AnyStore, id: &RunId, terminal: &Terminal) -> Result<()> {
    let open = store.approvals(Some(id)).await.map_err(failed)?;
    for approval in open.iter().take(QUESTIONS_SHOWN) {
        terminal.note(&format!(
            "  {} {}",
            terminal.paint_note(Style::Warn, "a person has to decide:"),
            clip(&approval.text, 200)
        ));
        terminal.note(&format!("    pmflow approve {id} {}   (or: pmflow reject …)", approval.step));
    }
    if open.len() > QUESTIONS_SHOWN {
        terminal.note(&format!("  and {}: pmflow show {id}", plural((open.len() - QUESTIONS_SHOWN) as u64, "more question")));
    }
    Ok(())
}

const QUESTIONS_SHOWN: usize = 5;

fn report(id: &str, flow: &str, end: &RunEnd, interrupted: bool, simulated: bool, terminal: &Terminal) -> Code {
    let counters = &end.counters;
    let made_up = if simulated { ", simulated" } else { "" };
    // A flow without a loop has no items.
    let items = match counters.items_done + counters.items_failed {
        0 => String::new(),
        _ => format!("{} done, {} failed, ", plural(counters.items_done, "item"), count(counters.items_failed)),
    };
    let spent = format!(
        "{items}{}; {} tokens in, {} out; ${}{made_up}",
        plural(counters.outputs, "output"),
        count(counters.input_tokens),
        count(counters.output_tokens),
        end.account.committed().to_decimal(),
    );
    let (style, code) = outcome(end, interrupted);
    let status = terminal.paint_note(style, &ended_as(end));
    terminal.note(&format!("{status} {flow}, run {id}: {spent}"));
    if let Some(failure) = &end.failure {
        terminal.note(&format!("  {}", clip(&failure.message, 1000)));
    }
    if end.account.breaches > 0 {
        terminal.note(&format!(
            "  {} {} billed more than was held: a fact of the price catalog does not hold, and with it the proven ceiling. \
             pmflow show {id}",
            terminal.paint_note(Style::Bad, "over the bound:"),
            if end.account.breaches == 1 {
                "1 call was".to_owned()
            } else {
                format!("{} calls were", count(end.account.breaches))
            },
        ));
    }
    match end.status {
        RunStatus::Failed | RunStatus::Suspended if end.failure.as_ref().is_some_and(is_shared) => {
            terminal.note(&format!("  when there is money again: pmflow run --resume {id}   (see pmflow budget show)"));
        }
        RunStatus::Failed | RunStatus::Suspended if is_budget(end) => {
            terminal.note(&format!("  with a higher limit: pmflow run --resume {id} --max-cost DOLLARS"))
        }
        RunStatus::Suspended => terminal.note(&format!("  go on with: pmflow run --resume {id}")),
        RunStatus::Failed => terminal.note(&format!("  see pmflow show {id} --failed; once mended: pmflow run --resume {id}")),
        _ if counters.outputs > 0 => terminal.note("  its outputs: pmflow outputs"),
        _ => {}
    }
    if counters.items_failed > 0 && end.status == RunStatus::Succeeded {
        terminal
            .note(&format!("  {} failed and were left out: pmflow show {id} --failed", plural(counters.items_failed, "item")));
        terminal.note(&format!("  to try them again, and nothing else: pmflow retry {id}"));
    }
    code
}

fn is_budget(end: &RunEnd) -> bool {
    end.failure.as_ref().is_some_and(|failure| failure.class == FailureClass::Budget)
}

/// A run whose items all failed did what its flow says (`on_error`), and yet nothing that anybody wanted: it is no success to a
/// script.
fn outcome(end: &RunEnd, interrupted: bool) -> (Style, Code) {
    let nothing_done = end.counters.items_failed > 0 && end.counters.items_done == 0;
    match end.status {
        RunStatus::Suspended if interrupted => (Style::Warn, Code::Interrupted),
        RunStatus::Failed | RunStatus::Suspended if is_budget(end) => (Style::Bad, Code::Policy),
        RunStatus::Running | RunStatus::Failed | RunStatus::Cancelled => (Style::Bad, Code::CouldNotRun),
        RunStatus::Succeeded if nothing_done => (Style::Bad, Code::CouldNotRun),
        RunStatus::Succeeded | RunStatus::Suspended if end.account.breaches > 0 => (Style::Bad, Code::Policy),
        RunStatus::Succeeded if end.counters.items_failed == 0 => (Style::Good, Code::Fine),
        RunStatus::Succeeded | RunStatus::Suspended => (Style::Warn, Code::Fine),
    }
}

/// `succeeded`, or `succeeded with 3 of 10 items failed`.
fn ended_as(end: &RunEnd) -> String {
    let counters = &end.counters;
    let all = counters.items_done + counters.items_failed;
    match (end.status, counters.items_failed, counters.items_done) {
        (RunStatus::Succeeded, 0, _) => end.status.name().to_owned(),
        (RunStatus::Succeeded, failed, 0) => format!(
            "ended with {} failed",
            if failed == 1 { "its only item".to_owned() } else { format!("all {} items", count(failed)) }
        ),
        (RunStatus::Succeeded, failed, _) => format!("succeeded with {} of {} items failed", count(failed), count(all)),
        (status, ..) => status.name().to_owned(),
    }
}

pub fn host_failed(error: HostError) -> Failed {
    Failed::new(error.to_string())
}

pub fn key_value(text: &str) -> std::result::Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not of the form name=value"))?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

pub fn dollars(text: &str) -> std::result::Result<Money, String> {
    match Money::parse(&text.replacen('$', "", 1)) {
        Some(amount) if amount < Money::ZERO => {
            Err(format!("`{text}` is less than nothing; write an amount of dollars, such as 0.25"))
        }
        Some(amount) => Ok(amount),
        None => Err(format!("`{text}` is no amount of dollars, such as 0.25")),
    }
}
