use crate::commands::run::{Decide, Shown, approvals, confirmed, dollars, host_failed, watch};
use crate::exit::{Code, Failed, Result};
use crate::loading::{Target, load_flow};
use crate::progress;
use crate::project::Project;
use crate::store::{block_on, failed, find, open_existing};
use crate::terminal::{Style, Terminal};
use pmflow_host::{Fault, Host, TakeOver};
use pmflow_plan::{Money, Plan, SourceMap};
use pmflow_store::{Kept, RunSummary, Store as _, StoreError};

/// Run again what failed in a run that has ended, and nothing else
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pmflow retry last                               items that failed or were put aside
  pmflow retry last --from moderate/verdict       this step again, and what depends on it
  pmflow retry last --with moderation.pmflow      with the definition as it is now

A retry is a run of its own that takes over every result that the earlier run recorded for the
same question: the same prompt with the same text, the same action with the same arguments. What
it takes over is neither paid for nor done again. A run that is suspended, failed or was
interrupted can also be resumed: pmflow run --resume RUN.")]
pub struct Arguments {
    /// A run's id, the beginning of one, or `last`.
    run: String,

    /// Execute this step again, whatever was recorded: its place, or its path in the run.
    #[arg(long, value_name = "STEP")]
    from: Option<String>,

    /// The definition of now instead of the one that the run started with: FILE, or FILE:FLOW.
    #[arg(long = "with", value_name = "FLOW")]
    definition: Option<Target>,

    /// Spend at most so many dollars, below the flow's own budget.
    #[arg(long, value_name = "DOLLARS", value_parser = dollars, allow_hyphen_values = true)]
    max_cost: Option<Money>,

    /// Do not ask before spending real money.
    #[arg(long, short = 'y')]
    yes: bool,

    /// What to do when a step asks a person.
    #[arg(long, value_enum)]
    approvals: Option<Decide>,

    /// How to show progress.
    #[arg(long, value_enum)]
    progress: Option<progress::Form>,
}

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    let project = Project::here()?;
    let mut definition = None;
    if let Some(target) = &arguments.definition {
        let Some((loaded, priced)) = load_flow(target, terminal)? else { return Ok(Code::Problems) };
        if super::cost::print_findings(&loaded, &priced, terminal) {
            return Ok(Code::Problems);
        }
        definition = Some((priced.plan, priced.map));
    }
    block_on(async {
        let store = open_existing(&project).await?;
        let run = find(&store, &arguments.run).await?;
        let stored = store.plan(&run.plan).await.map_err(failed)?;
        let old = Plan::decode(&stored.bytes, Some(&stored.id)).map_err(|error| Failed::new(error.to_string()))?;
        let (plan, map) = definition.as_ref().map_or((&old, &stored.source_map), |(plan, map)| (plan, map));
        check(arguments, &run, plan, map)?;
        if !preview(arguments, &run, plan, terminal)? {
            return Ok(Code::Fine);
        }
        let change =
            TakeOver { definition, from: arguments.from.clone(), cost_max: arguments.max_cost, user: super::decide::this_user() };
        let host = Host::new(store.clone(), Fault::none());
        let live = host.take_over(&run.id, change, approvals(arguments.approvals)).await.map_err(host_failed)?;
        watch(&store, live, &run.flow, Shown { expected: None, form: arguments.progress }, terminal).await
    })
}

/// Whether the new run could mean anything, before it has an id.
fn check(arguments: &Arguments, run: &RunSummary, plan: &Plan, map: &SourceMap) -> Result<()> {
    if run.kept != Kept::Whole {
        return Err(failed(StoreError::Pruned { run: run.id.to_string(), place: String::new() }));
    }
    if plan.flow != run.flow {
        return Err(Failed::new(format!("run {} is of the flow `{}`, not of `{}`", run.id, run.flow, plan.flow))
            .help("name the flow after the file: --with FILE:FLOW"));
    }
    let Some(from) = arguments.from.as_ref().filter(|from| !from.contains('[')) else { return Ok(()) };
    if map.places.contains_key(from) {
        return Ok(());
    }
    let steps: Vec<&str> = map.places.keys().map(String::as_str).filter(|place| !place.contains(':')).collect();
    Err(Failed::new(format!("the flow has no step `{from}`")).help(format!("its steps are: {}", steps.join(", "))))
}

fn preview(arguments: &Arguments, run: &RunSummary, plan: &Plan, terminal: &Terminal) -> Result<bool> {
    terminal.note(&format!("takes over what run {} recorded; it cost {}", run.id, run.account.committed()));
    if run.simulated {
        terminal.note(&terminal.paint_note(Style::Warn, "simulated: the answers are made up and nothing is paid"));
        return Ok(true);
    }
    if plan.prompts.is_empty() {
        return Ok(true);
    }
    let budget = plan.flows.get(&plan.flow).and_then(|flow| flow.settings.budget.run);
    let limit = [plan.ceiling, budget, arguments.max_cost].into_iter().flatten().min();
    let at_most = limit.map_or_else(|| "without any limit".to_owned(), |limit| format!("at most {limit}"));
    terminal.note(&format!("this run spends real money, {at_most}, for what has to be done again"));
    confirmed(arguments.yes, terminal)
}
