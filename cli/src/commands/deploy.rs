use super::run::{confirmed, dollars, host_failed, key_value, setup};
use crate::exit::{Code, Failed, Result};
use crate::format::plural;
use crate::loading::{Loaded, Priced, Target, load_flow};
use crate::project::Project;
use crate::store::{block_on, failed, open, open_existing};
use crate::terminal::Terminal;
use pmflow_host::deploy::{InForce, read_input};
use pmflow_host::{Fault, Host};
use pmflow_plan::{Money, Schedule, Settings, Type, When};
use pmflow_store::Store as _;
use std::collections::BTreeMap;

/// Put a flow in force: its schedule fires, its webhook takes deliveries
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pmflow deploy leads.pmflow                       from now on, as its schedule says
  pmflow deploy leads.pmflow --input base=app123 --max-cost 0.50 --jitter 90s --yes
  pmflow deploy leads.pmflow --simulate            with a simulated model, to try it out
  pmflow deploy --remove daily_leads               no new runs; those under way go on

The definition that is deployed is the one that runs until it is deployed again: editing the file
changes nothing. Workers start the runs (pmflow worker, pmflow serve --worker), and pmflow serve
takes what is sent to a webhook. What is in force: pmflow schedule list")]
pub struct Arguments {
    /// FILE, or FILE:FLOW where a file has several flows
    #[arg(value_name = "FLOW", required_unless_present = "remove")]
    target: Option<Target>,

    /// A parameter of every run, `name=value`; lists and records as JSON. Repeatable.
    #[arg(long = "input", value_name = "NAME=VALUE", value_parser = key_value)]
    inputs: Vec<(String, String)>,

    /// Spend at most so many dollars in each run, below the flow's own budget.
    #[arg(long, value_name = "DOLLARS", value_parser = dollars, allow_hyphen_values = true)]
    max_cost: Option<Money>,

    /// Start up to so much later than the schedule says, so that many flows do not start in one second: 30s, 5m.
    #[arg(long, value_name = "TIME", value_parser = milliseconds, default_value = "0s")]
    jitter: u64,

    /// Do not ask before runs that spend real money are allowed.
    #[arg(long, short = 'y')]
    yes: bool,

    /// With the built-in simulated model: offline, no key, no cost.
    #[arg(long, value_name = "OPTIONS", num_args = 0..=1, default_missing_value = "")]
    simulate: Option<String>,

    /// Take the flow of this name out of force.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["target", "inputs", "simulate", "max_cost"])]
    remove: Option<String>,
}

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    match (&arguments.remove, &arguments.target) {
        (Some(flow), _) => remove(flow, terminal),
        (None, Some(target)) => deploy(target, arguments, terminal),
        (None, None) => Err(Failed::new("which flow?").help("pmflow deploy FILE.pmflow")),
    }
}

fn remove(flow: &str, terminal: &Terminal) -> Result<Code> {
    let project = Project::here()?;
    block_on(async {
        let store = open_existing(&project).await?;
        if !store.undeploy(flow).await.map_err(failed)? {
            return Err(not_in_force(flow));
        }
        terminal.line(&format!("{flow} is not in force any more; runs under way go on (pmflow runs)"));
        Ok(Code::Fine)
    })
}

pub fn not_in_force(flow: &str) -> Failed {
    Failed::new(format!("`{flow}` is not in force"))
        .help("`pmflow schedule list` lists what is; `pmflow deploy FILE` puts one in force")
}

fn deploy(target: &Target, arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    let Some((loaded, priced)) = load_flow(target, terminal)? else { return Ok(Code::Problems) };
    if super::cost::print_findings(&loaded, &priced, terminal) {
        return Ok(Code::Problems);
    }
    let settings = settings(&priced)?;
    let in_force = in_force(&loaded, &priced, target, arguments, settings)?;
    announce(&priced, settings, arguments, terminal);
    let spends = in_force.setup.simulate.is_none() && !priced.plan.prompts.is_empty();
    if spends && !confirmed(arguments.yes, terminal)? {
        return Ok(Code::Fine);
    }
    block_on(async {
        let store = open(&loaded.project).await?;
        let host = Host::new(store.clone(), Fault::none());
        let paused = store.deployments().await.map_err(failed)?;
        let paused = paused.iter().any(|deployed| deployed.deployment.flow == priced.plan.flow && deployed.paused);
        host.deploy(&priced.plan, priced.map, &in_force).await.map_err(host_failed)?;
        terminal.line(&format!("{} is in force", priced.plan.flow));
        if paused {
            terminal.note(&format!("  its schedule stays paused; let it go on: pmflow schedule resume {}", priced.plan.flow));
        }
        Ok(Code::Fine)
    })
}

/// What the flow has that starts runs by itself.
fn settings(priced: &Priced) -> Result<&Settings> {
    let flow = &priced.plan.flow;
    let settings = priced.plan.flows.get(flow).map(|flow| &flow.settings);
    settings.filter(|settings| settings.schedule.is_some() || settings.webhook.is_some()).ok_or_else(|| {
        Failed::new(format!("`{flow}` has neither a `schedule` nor a `webhook`: nothing would ever start it"))
            .help("add `schedule: every 2h`, or start it by hand: pmflow run")
    })
}

fn in_force(loaded: &Loaded, priced: &Priced, target: &Target, arguments: &Arguments, settings: &Settings) -> Result<InForce> {
    let sent = settings.webhook.as_ref().map(|webhook| webhook.parameter.as_str());
    let given: BTreeMap<String, String> = arguments.inputs.iter().cloned().collect();
    let input = read_input(&priced.plan, &given, sent).map_err(|error| Failed::new(error.to_string()))?;
    if let (Some(sent), Some(_)) = (sent, &settings.schedule) {
        check_sent(priced, sent)?;
    }
    let setup = setup(loaded, target, arguments.simulate.clone(), arguments.max_cost)?;
    setup.check(&priced.plan).map_err(host_failed)?;
    Ok(InForce { setup, input, jitter_ms: arguments.jitter })
}

/// A run that the schedule starts has nothing that was sent.
fn check_sent(priced: &Priced, sent: &str) -> Result<()> {
    let flow = priced.plan.flows.get(&priced.plan.flow);
    let parameter = flow.and_then(|flow| flow.parameters.iter().find(|parameter| parameter.name == sent));
    if parameter.is_some_and(|parameter| parameter.default.is_none() && !matches!(parameter.ty, Type::Optional(_))) {
        let problem =
            format!("`{}` has a webhook and a schedule, and what its schedule starts has no `{sent}`", priced.plan.flow);
        return Err(Failed::new(problem).help("make two flows of it, each of which calls a third"));
    }
    Ok(())
}

fn announce(priced: &Priced, settings: &Settings, arguments: &Arguments, terminal: &Terminal) {
    if let Some(schedule) = &settings.schedule {
        terminal.note(&format!("runs {}", described(schedule)));
        for firing in pmflow_engine::schedule::upcoming(&schedule.when, pmflow_host::now(), 3).unwrap_or_default() {
            terminal.note(&format!("  {}", super::schedule::shown(&firing, schedule)));
        }
    }
    if let Some(webhook) = &settings.webhook {
        let most = plural(webhook.per_day_max, "run");
        terminal.note(&format!("takes what is sent to /hooks/{}, up to {most} a day (pmflow serve)", priced.plan.flow));
    }
    if arguments.simulate.is_some() {
        terminal.note("simulated: the answers are made up and nothing is paid");
        return;
    }
    let at_most =
        |cost: Option<Money>| cost.map_or_else(|| "without a proven limit".to_owned(), |cost| format!("at most {cost}"));
    let run = [priced.estimate.run.ceiling.known(), arguments.max_cost].into_iter().flatten().min();
    let month = priced.estimate.month.as_ref().and_then(|month| month.ceiling.known());
    terminal.note(&format!("a run spends {}, a month {}", at_most(run), at_most(month)));
}

/// `every 2 h 00 min`, or `at "0 7 * * 1" in Europe/Berlin`, with what differs from the defaults.
pub fn described(schedule: &Schedule) -> String {
    match &schedule.when {
        When::EveryMs(every) => {
            format!("every {}", crate::format::span(i64::try_from(*every).unwrap_or(i64::MAX).saturating_mul(1000)))
        }
        When::Cron { expression, zone } => format!("at \"{expression}\" in {zone}"),
    }
}

/// `30s`, `5m`, `1h`
pub fn milliseconds(text: &str) -> std::result::Result<u64, String> {
    let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
    let of = |(unit, each): (&str, u64)| text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(each);
    let found = units.into_iter().find_map(of);
    found.filter(|time| *time <= 86_400_000).ok_or_else(|| format!("`{text}` is no time up to a day; write 30s, 5m or 1h"))
}
