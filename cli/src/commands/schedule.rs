use super::deploy::{described, not_in_force};
use super::run::{confirmed, dollars, host_failed};
use crate::exit::{Code, Failed, Result};
use crate::format::{moment, parse_moment, plural, table};
use crate::loading::{Target, load_flow};
use crate::project::Project;
use crate::store::{AnyStore, block_on, failed, missing, open};
use crate::terminal::Terminal;
use pmflow_engine::Time;
use pmflow_engine::schedule::{Firing, upcoming, within};
use pmflow_host::deploy::InForce;
use pmflow_host::{Fault, Host, backfill};
use pmflow_plan::{Money, Plan, Schedule, When};
use pmflow_store::{Batch, Deployed, Recorded, Store as _, Trigger, TriggerKind};
use serde_json::json;
use std::sync::Arc;

/// What starts runs by itself: when it did, when it will
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pmflow schedule list
  pmflow schedule next daily_leads --count 10
  pmflow schedule next leads.pmflow                before it is deployed
  pmflow schedule pause daily_leads
  pmflow schedule history daily_leads              what became of each time, and why
  pmflow schedule backfill daily_leads --from 2026-11-01 --until 2026-11-08 --budget 5

A flow is put in force with pmflow deploy. Each time of a schedule starts one run, whatever dies in
between; `now()` and `today()` of that run are the time that it is for.")]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// The flows in force
    List(List),
    /// The next times of a flow
    Next(Next),
    /// Start no more runs until it is resumed
    Pause(Which),
    /// Go on from now; times in between are not made up for
    Resume(Which),
    /// What became of past times
    History(History),
    /// Run past times, one after the other, within a budget of its own
    Backfill(Backfill),
}

#[derive(Debug, clap::Args)]
struct List {
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Debug, clap::Args)]
struct Which {
    /// The flow's name
    flow: String,
}

#[derive(Debug, clap::Args)]
struct Next {
    /// The name of a flow in force, or FILE, or FILE:FLOW
    flow: String,

    #[arg(long, default_value = "5", value_parser = clap::value_parser!(u16).range(1..=1000))]
    count: u16,
}

#[derive(Debug, clap::Args)]
struct History {
    /// The flow's name; all flows when not given.
    flow: Option<String>,

    /// The last so many.
    #[arg(long, default_value = "20")]
    limit: u32,

    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Debug, clap::Args)]
struct Backfill {
    /// The name of a flow in force
    flow: String,

    /// The first time: 2026-11-01, 2026-11-01T07:00:00Z, or 7d for so long ago.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    from: Time,

    /// The times before this one; now when not given.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    until: Option<Time>,

    /// Dollars for all of its runs together.
    #[arg(long, value_name = "DOLLARS", value_parser = dollars, allow_hyphen_values = true)]
    budget: Money,

    /// Times that a backfill of this name has run are not run again.
    #[arg(long, default_value = "backfill")]
    name: String,

    /// Show what it would cost and end.
    #[arg(long)]
    dry_run: bool,

    /// Do not ask before spending real money.
    #[arg(long, short = 'y')]
    yes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
}

const NOTHING_IN_FORCE: &str = "nothing is in force; `pmflow deploy FILE` puts a flow in force";
/// Runs of one backfill, at most.
const BACKFILL_MAX: usize = 10_000;

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    match &arguments.action {
        Action::Next(next) if next.flow.contains(".pmflow") => return next_of_file(next, terminal),
        _ => {}
    }
    let project = Project::here()?;
    block_on(async {
        if missing(&project).is_some() {
            return nothing_in_force(&arguments.action, terminal);
        }
        let store = open(&project).await?;
        let host = Host::new(store.clone(), Fault::none());
        match &arguments.action {
            Action::List(list) => list_all(&host, &store, list, terminal).await,
            Action::Next(next) => {
                let (_, plan) = in_force(&host, &store, &next.flow).await?;
                print_next(schedule_of(&plan)?, next.count, terminal)
            }
            Action::Pause(which) => pause(&store, &which.flow, true, terminal).await,
            Action::Resume(which) => pause(&store, &which.flow, false, terminal).await,
            Action::History(history) => print_history(&store, history, terminal).await,
            Action::Backfill(wanted) => wanted.run(&host, &store, terminal).await,
        }
    })
}

/// Of a project that has no database yet.
fn nothing_in_force(action: &Action, terminal: &Terminal) -> Result<Code> {
    match action {
        Action::List(List { format: Format::Json }) => {
            terminal.line(&format!("{:#}", json!({ "version": 1, "flows": [] })));
        }
        Action::History(History { format: Format::Json, .. }) => {
            terminal.line(&format!("{:#}", json!({ "version": 1, "triggers": [] })));
        }
        Action::List(_) | Action::History(_) => terminal.line(NOTHING_IN_FORCE),
        Action::Next(Next { flow, .. }) | Action::Backfill(Backfill { flow, .. }) => return Err(not_in_force(flow)),
        Action::Pause(Which { flow }) | Action::Resume(Which { flow }) => return Err(not_in_force(flow)),
    }
    Ok(Code::Fine)
}

async fn in_force(host: &Host<AnyStore>, store: &AnyStore, flow: &str) -> Result<(Deployed, Arc<Plan>)> {
    let all = store.deployments().await.map_err(failed)?;
    let deployed = all.into_iter().find(|deployed| deployed.deployment.flow == flow).ok_or_else(|| not_in_force(flow))?;
    let plan = host.plan_of(&deployed.deployment.plan).await.map_err(host_failed)?;
    Ok((deployed, plan))
}

fn schedule_of(plan: &Plan) -> Result<&Schedule> {
    let schedule = plan.flows.get(&plan.flow).and_then(|flow| flow.settings.schedule.as_ref());
    schedule.ok_or_else(|| Failed::new(format!("`{}` has no schedule", plan.flow)).help("add `schedule: every 2h` to the flow"))
}

fn next_of_file(next: &Next, terminal: &Terminal) -> Result<Code> {
    let target: Target = next.flow.parse().map_err(Failed::new)?;
    let Some((_, priced)) = load_flow(&target, terminal)? else { return Ok(Code::Problems) };
    print_next(schedule_of(&priced.plan)?, next.count, terminal)
}

fn print_next(schedule: &Schedule, count: u16, terminal: &Terminal) -> Result<Code> {
    let firings =
        upcoming(&schedule.when, pmflow_host::now(), usize::from(count)).map_err(|error| Failed::new(error.to_string()))?;
    if firings.is_empty() {
        terminal.line("never");
    }
    for firing in &firings {
        terminal.line(&shown(firing, schedule));
    }
    Ok(Code::Fine)
}

/// `2026-11-23 07:00:00 Europe/Berlin   2026-11-23 06:00:00 UTC`
pub fn shown(firing: &Firing, schedule: &Schedule) -> String {
    match &schedule.when {
        When::Cron { zone, .. } if zone != "UTC" => {
            format!("{} {zone}   {} UTC", firing.local.replace('T', " "), moment(firing.at))
        }
        _ => format!("{} UTC", moment(firing.at)),
    }
}

async fn pause(store: &AnyStore, flow: &str, paused: bool, terminal: &Terminal) -> Result<Code> {
    if !store.pause_schedule(flow, paused).await.map_err(failed)? {
        return Err(not_in_force(flow));
    }
    let said = if paused { "is paused: no run is started until it is resumed" } else { "goes on from now" };
    terminal.line(&format!("{flow} {said}"));
    Ok(Code::Fine)
}

async fn list_all(host: &Host<AnyStore>, store: &AnyStore, list: &List, terminal: &Terminal) -> Result<Code> {
    let all = store.deployments().await.map_err(failed)?;
    let (mut rows, mut objects) = (Vec::new(), Vec::new());
    for deployed in &all {
        let plan = host.plan_of(&deployed.deployment.plan).await.map_err(host_failed)?;
        let simulated = InForce::of(&deployed.deployment).map_err(host_failed)?.setup.simulate.is_some();
        let settings = plan.flows.get(&plan.flow).map(|flow| &flow.settings);
        let schedule = settings.and_then(|settings| settings.schedule.as_ref());
        let webhook = settings.is_some_and(|settings| settings.webhook.is_some());
        let next = schedule.filter(|_| !deployed.paused);
        let next = next.and_then(|schedule| upcoming(&schedule.when, deployed.now, 1).ok()?.into_iter().next());
        let flow = &deployed.deployment.flow;
        objects.push(json!({
            "flow": flow,
            "schedule": schedule.map(described),
            "webhook": webhook.then(|| format!("/hooks/{flow}")),
            "paused": deployed.paused,
            "simulated": simulated,
            "next": next.as_ref().map(|firing| moment(firing.at)),
            "running": deployed.running,
            "waiting": deployed.waiting,
            "by": deployed.deployment.by,
            "since": moment(deployed.at),
        }));
        let mut starts: Vec<String> = schedule.map(described).into_iter().collect();
        starts.extend(webhook.then(|| format!("/hooks/{flow}")));
        let state = match (deployed.paused, simulated) {
            (true, _) => "paused",
            (false, true) => "simulated",
            (false, false) => "",
        };
        let next = next.map_or_else(|| "-".to_owned(), |firing| moment(firing.at));
        let (running, waiting) = (deployed.running.to_string(), deployed.waiting.to_string());
        let by = format!("{}, {}", deployed.deployment.by, moment(deployed.at));
        rows.push(vec![flow.clone(), starts.join(", "), next, running, waiting, by, state.to_owned()]);
    }
    match list.format {
        Format::Json => terminal.line(&format!("{:#}", json!({ "version": 1, "flows": objects }))),
        Format::Table if rows.is_empty() => terminal.line(NOTHING_IN_FORCE),
        Format::Table => {
            terminal.print(&table(&["flow", "started", "next (UTC)", ">running", ">waiting", "deployed", ""], &rows));
        }
    }
    Ok(Code::Fine)
}

async fn print_history(store: &AnyStore, history: &History, terminal: &Terminal) -> Result<Code> {
    let all = store.triggers(history.flow.as_deref(), false, history.limit).await.map_err(failed)?;
    if history.format == Format::Json {
        let rows: Vec<_> = all.iter().map(as_json).collect();
        terminal.line(&format!("{:#}", json!({ "version": 1, "triggers": rows })));
        return Ok(Code::Fine);
    }
    if all.is_empty() {
        terminal.line("nothing has been started by itself yet");
        return Ok(Code::Fine);
    }
    let row = |trigger: &Trigger| {
        let run = trigger.run.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        let what = match &trigger.batch {
            Some(batch) => format!("{} {}", trigger.kind.name(), batch.name),
            None => trigger.kind.name().to_owned(),
        };
        let state = trigger.state.name().replace('_', " ");
        vec![trigger.flow.clone(), what, trigger.local.replace('T', " "), state, run, trigger.reason.clone().unwrap_or_default()]
    };
    let rows: Vec<Vec<String>> = all.iter().rev().map(row).collect();
    terminal.print(&table(&["flow", "by", "for (local)", "state", "run", "why"], &rows));
    Ok(Code::Fine)
}

fn as_json(trigger: &Trigger) -> serde_json::Value {
    json!({
        "flow": trigger.flow,
        "kind": trigger.kind.name(),
        "key": trigger.key,
        "at": moment(trigger.at),
        "local": trigger.local,
        "state": trigger.state.name(),
        "run": trigger.run.as_ref().map(ToString::to_string),
        "reason": trigger.reason,
        "batch": trigger.batch.as_ref().map(|batch| json!({ "name": batch.name, "budget": batch.budget.to_decimal() })),
    })
}

impl Backfill {
    async fn run(&self, host: &Host<AnyStore>, store: &AnyStore, terminal: &Terminal) -> Result<Code> {
        let (deployed, plan) = in_force(host, store, &self.flow).await?;
        let schedule = schedule_of(&plan)?;
        let until = self.until.unwrap_or(deployed.now).min(deployed.now);
        let firings =
            within(&schedule.when, self.from, until, BACKFILL_MAX + 1).map_err(|error| Failed::new(error.to_string()))?;
        let new = self.new_ones(store, firings).await?;
        if new.is_empty() {
            terminal.line("nothing to do: no time of the schedule lies in that span, or each was run by a backfill of this name");
            return Ok(Code::Fine);
        }
        if new.len() > BACKFILL_MAX {
            return Err(
                Failed::new(format!("these are more than {BACKFILL_MAX} runs")).help("take a shorter span: --from, --until")
            );
        }
        let in_force = InForce::of(&deployed.deployment).map_err(host_failed)?;
        self.preview(&plan, &in_force, &new, terminal);
        let spends = in_force.setup.simulate.is_none() && !plan.prompts.is_empty();
        if self.dry_run || (spends && !confirmed(self.yes, terminal)?) {
            return Ok(Code::Fine);
        }
        let batch = Batch { name: self.name.clone(), budget: self.budget };
        match store.record_triggers(backfill(&self.flow, &new, &batch)).await.map_err(failed)? {
            Recorded::NotDeployed => Err(not_in_force(&self.flow)),
            _ => {
                terminal.line(&format!("{} left to the workers", plural(new.len() as u64, "run")));
                terminal.note(&format!("  how it goes: pmflow schedule history {}", self.flow));
                Ok(Code::Fine)
            }
        }
    }

    /// Without those that a backfill of this name has.
    async fn new_ones(&self, store: &AnyStore, firings: Vec<Firing>) -> Result<Vec<Firing>> {
        let known = store.triggers(Some(&self.flow), false, u32::MAX / 2).await.map_err(failed)?;
        let is_known = |firing: &Firing| {
            let mut own = known.iter().filter(|trigger| trigger.kind == TriggerKind::Backfill && trigger.at == firing.at);
            own.any(|trigger| trigger.batch.as_ref().is_some_and(|batch| batch.name == self.name))
        };
        Ok(firings.into_iter().filter(|firing| !is_known(firing)).collect())
    }

    fn preview(&self, plan: &Plan, in_force: &InForce, firings: &[Firing], terminal: &Terminal) {
        let times = i128::try_from(firings.len()).unwrap_or(i128::MAX);
        let span = match firings {
            [first, .., last] => format!("from {} to {}", first.local.replace('T', " "), last.local.replace('T', " ")),
            [only] => format!("for {}", only.local.replace('T', " ")),
            [] => String::new(),
        };
        terminal.note(&format!("{} {span}, one after the other", plural(firings.len() as u64, "run")));
        let estimate = pmflow_compiler::cost::estimate(plan).run;
        let one = [estimate.ceiling.known(), in_force.setup.cost_max].into_iter().flatten().min();
        let all = |one: Option<Money>| one.and_then(|one| one.checked_mul(times));
        let expected = all(estimate.expected.known()).map_or_else(String::new, |sum| format!("{sum} expected, "));
        let most = all(one).map_or_else(|| "no ceiling is proven".to_owned(), |sum| format!("at most {sum}"));
        terminal.note(&format!("  {expected}{most}; together they spend no more than their budget of {}", self.budget));
        if let Some(one) = one.filter(|one| *one > self.budget) {
            terminal.note(&format!("  one run may cost {one}, which is more than the budget: none will be started"));
        }
        if in_force.setup.simulate.is_some() {
            terminal.note("  simulated: nothing is paid");
        }
    }
}
