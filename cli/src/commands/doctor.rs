use super::run::host_failed;
use crate::exit::{Code, Failed, Result};
use crate::format::{moment, plural, span};
use crate::project::{Project, SETTINGS_FILE, StorePlace};
use crate::store::{AnyStore, block_on, failed, missing, open};
use crate::terminal::{Style, Terminal};
use pmflow_compiler::cost::Catalog;
use pmflow_engine::{RunStatus, Time};
use pmflow_host::deploy::InForce;
use pmflow_host::secrets::environment;
use pmflow_host::{Fault, Host};
use pmflow_plan::Plan;
use pmflow_store::{RunFilter, RunSummary, Store as _};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Look whether everything is as it must be: settings, providers, database, clock, runs that stand still
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pmflow doctor
  DATABASE_URL=postgres://… pmflow doctor        on the machine of a worker, with its environment

Nothing is changed and nothing is sent to a provider. Exit code 3 when something is wrong; what is
only worth knowing does not count.")]
pub struct Arguments {}

/// What was found, in the order in which it was looked for.
struct Findings<'t> {
    terminal: &'t Terminal,
    is_wrong: bool,
}

/// The clock of this machine may be so far from the database's before somebody should know.
const CLOCK_APART_MAX: Time = 5_000_000;
/// A run that nobody executes for so long stands still.
const STANDS_STILL: Time = 60_000_000;
/// An alert that is on its way for so long is not getting through.
const ALERT_LATE: Time = 300_000_000;
const RUNS_LOOKED_AT: u32 = 1000;

pub fn run(_: &Arguments, terminal: &Terminal) -> Result<Code> {
    let mut findings = Findings { terminal, is_wrong: false };
    let project = match Project::here() {
        Ok(project) => project,
        Err(error) => {
            findings.wrong("settings", &error);
            return Ok(Code::CouldNotRun);
        }
    };
    findings.settings(&project);
    findings.providers();
    block_on(async {
        if let Some(path) = missing(&project) {
            findings.note("database", &format!("`{}` does not exist yet; the first run makes it", path.display()));
            return Ok(());
        }
        match open(&project).await {
            Ok(store) => findings.database(&project, store).await,
            Err(error) => {
                findings.wrong("database", &error);
                Ok(())
            }
        }
    })?;
    Ok(if findings.is_wrong { Code::CouldNotRun } else { Code::Fine })
}

impl Findings<'_> {
    fn fine(&mut self, what: &str, said: &str) {
        self.terminal.line(&format!("{} {what}: {said}", self.terminal.paint(Style::Good, "fine ")));
    }

    fn note(&mut self, what: &str, said: &str) {
        self.terminal.line(&format!("{} {what}: {said}", self.terminal.paint(Style::Warn, "note ")));
    }

    fn wrong(&mut self, what: &str, error: &Failed) {
        self.is_wrong = true;
        self.terminal.line(&format!("{} {what}: {}", self.terminal.paint(Style::Bad, "wrong"), error.message));
        if let Some(help) = &error.help {
            self.terminal.line(&format!("      {help}"));
        }
    }

    fn settings(&mut self, project: &Project) {
        let file = project.root.join(SETTINGS_FILE);
        let is_there = if file.exists() { "" } else { " (there is none, the defaults hold)" };
        match crate::loading::levels(project) {
            Ok(_) => self.fine("settings", &format!("{}{is_there}", file.display())),
            Err(error) => self.wrong("settings", &error),
        }
        match crate::alerts::destinations(project) {
            Ok(all) if all.is_empty() => self.note("alerts", "nobody is told of them; docs/budgets.md says how"),
            Ok(all) => {
                let names: Vec<String> = all.into_iter().map(|destination| destination.name).collect();
                self.fine("alerts", &format!("go to {}", names.join(", ")));
            }
            Err(error) => self.wrong("alerts", &error),
        }
    }

    /// Of this environment: a worker has its own.
    fn providers(&mut self) {
        let names: BTreeSet<&str> = Catalog::builtin().entries().map(|(provider, _)| provider.provider.as_str()).collect();
        let (mut with_key, mut variables) = (Vec::new(), Vec::new());
        for name in names {
            let settings = pmflow_host::environment::provider(name);
            for wrong in settings.wrong {
                self.wrong("providers", &Failed::new(wrong));
            }
            if settings.has_key {
                with_key.push(name);
            }
            variables.extend(settings.key_variables.into_iter().next());
        }
        if with_key.is_empty() {
            let said = format!("no key is set here ({}); only simulated runs need none", variables.join(", "));
            self.note("providers", &said);
        } else {
            self.fine("providers", &format!("keys are set here of {}", with_key.join(", ")));
        }
    }

    async fn database(&mut self, project: &Project, store: Arc<AnyStore>) -> Result<()> {
        let place = match project.store_place() {
            StorePlace::File(path) => path.display().to_string(),
            StorePlace::Server(_) => "PostgreSQL".to_owned(),
        };
        self.fine("database", &format!("{place} answers, and its tables are those of this version"));
        self.clock(&store).await?;
        self.flows(&store).await?;
        self.runs(&store).await?;
        self.alerts(&store).await
    }

    async fn clock(&mut self, store: &AnyStore) -> Result<()> {
        let before = pmflow_host::now();
        let database = store.clock().await.map_err(failed)?;
        let apart = database.saturating_sub(before.midpoint(pmflow_host::now())).saturating_abs();
        if apart > CLOCK_APART_MAX {
            let said = format!(
                "this machine's differs from the database's by {}; leases, schedules and budgets go by the latter",
                span(apart)
            );
            self.note("clock", &said);
        } else {
            self.fine("clock", "this machine's and the database's agree");
        }
        Ok(())
    }

    async fn flows(&mut self, store: &Arc<AnyStore>) -> Result<()> {
        let host = Host::new(store.clone(), Fault::none());
        let deployed = store.deployments().await.map_err(failed)?;
        if deployed.is_empty() {
            self.note("flows", "nothing is in force");
        }
        for deployed in deployed {
            let what = format!("flow {}", deployed.deployment.flow);
            let plan = host.plan_of(&deployed.deployment.plan).await;
            let in_force = InForce::of(&deployed.deployment);
            match (plan, in_force) {
                (Ok(plan), Ok(in_force)) => match ready(&plan, &in_force) {
                    Ok(()) if deployed.paused => self.note(&what, "its schedule is paused"),
                    Ok(()) => self.fine(&what, "in force; what its runs need is there"),
                    Err(error) => self.wrong(&what, &error),
                },
                (Err(error), _) | (_, Err(error)) => self.wrong(&what, &host_failed(error)),
            }
        }
        Ok(())
    }

    async fn runs(&mut self, store: &AnyStore) -> Result<()> {
        let now = store.clock().await.map_err(failed)?;
        let of = |status| RunFilter { status: Some(status), ..RunFilter::default() };
        let running = store.runs(&of(RunStatus::Running), None, RUNS_LOOKED_AT).await.map_err(failed)?;
        let stands = |run: &&RunSummary| super::runs::executor(run).is_none() && run.changed_at < now - STANDS_STILL;
        let still: Vec<&RunSummary> = running.iter().filter(stands).collect();
        match still.last() {
            None => self.fine("runs", &format!("{} under way, none stands still", plural(running.len() as u64, "run"))),
            Some(oldest) => {
                let said = format!(
                    "{} that nobody executes, the oldest, {}, since {} UTC",
                    plural(still.len() as u64, "run"),
                    oldest.id,
                    moment(oldest.changed_at)
                );
                let help = format!("start a worker (pmflow worker), or go on with it here: pmflow run --resume {}", oldest.id);
                self.wrong("runs", &Failed::new(said).help(help));
            }
        }
        let suspended = store.runs(&of(RunStatus::Suspended), None, RUNS_LOOKED_AT).await.map_err(failed)?;
        if let Some(first) = suspended.first() {
            let why =
                first.failure.as_ref().map_or("a person has to decide, or it was paused", |failure| failure.message.as_str());
            let said = format!("{} suspended; the newest, {}: {why}", plural(suspended.len() as u64, "run"), first.id);
            self.note("runs", &said);
        }
        Ok(())
    }

    async fn alerts(&mut self, store: &AnyStore) -> Result<()> {
        let now = store.clock().await.map_err(failed)?;
        let open = store.budget_alerts(true, RUNS_LOOKED_AT).await.map_err(failed)?;
        if let Some(late) = open.iter().find(|alert| alert.at < now - ALERT_LATE) {
            let said = format!(
                "{} not delivered, the oldest since {} UTC: {}",
                plural(open.len() as u64, "alert"),
                moment(late.at),
                late.key
            );
            self.note("alerts", &said);
        }
        Ok(())
    }
}

/// Whether a worker and a server with this environment can start the flow's runs.
fn ready(plan: &Plan, in_force: &InForce) -> Result<()> {
    in_force.setup.check(plan).map_err(host_failed)?;
    if in_force.setup.simulate.is_none() {
        in_force.setup.check_keys(plan).map_err(host_failed)?;
    }
    let webhook = plan.flows.get(&plan.flow).and_then(|flow| flow.settings.webhook.as_ref());
    match webhook.filter(|webhook| environment(&webhook.hmac_secret).is_none()) {
        Some(webhook) => Err(Failed::new(format!("the secret {} of its webhook is not set here", webhook.hmac_secret))
            .help("pmflow serve needs it in its environment")),
        None => Ok(()),
    }
}
