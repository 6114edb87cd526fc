//! One account: who waits for it, what is to be told of it, and a clerk who asks the store while there is either.

use pmflow_ledger::gate::{Gate, Lane, Limit, Outcome, Report, Said, Step, Time, Turn, Want};
use pmflow_store::{Stepped, Store};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

/// Between two questions to the store, at least: what comes meanwhile goes with the next.
const ASK_EVERY_MIN: Duration = Duration::from_millis(10);
/// And at most, while anybody waits: other processes count on it ([`pmflow_ledger::gate::WAITS_US`]).
const ASK_EVERY_MAX: Duration = Duration::from_secs(1);
/// For a model that is out of service nobody waits longer than this.
const OUT_OF_SERVICE_MAX: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub(crate) struct Account<S> {
    store: Arc<S>,
    name: String,
    process: String,
    limits: Vec<(Option<String>, Limit)>,
    desk: Mutex<Desk>,
    wake: Notify,
    moved: Arc<watch::Sender<u64>>,
}

#[derive(Debug, Default)]
struct Desk {
    /// In the order in which they came.
    waiting: Vec<Waiter>,
    reports: Vec<Report>,
    /// The store is being told of a call that failed, or was one too many.
    is_telling_trouble: bool,
    known: Option<Known>,
    /// Steps that were begun or ended: what was read of the store between two of them is what it was.
    steps: u64,
    was_looked_at: bool,
    is_clerk_there: bool,
}

#[derive(Debug)]
struct Waiter {
    asking: Asking,
    since: Instant,
    answer: oneshot::Sender<Given>,
}

/// A call that wants a turn.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    pub lane: Lane,
    pub model: String,
    pub tokens: u64,
    pub has_alternative: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    Go(Turn),
    /// Out of service, for so long at least.
    Refused {
        wait: Duration,
    },
}

/// A gate as it was at some moment of the store's clock.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    gate: Gate,
    at: Time,
    since: Instant,
}

impl Known {
    pub fn of(gate: Gate, at: Time) -> Known {
        Known { gate, at, since: Instant::now() }
    }

    fn now(&self) -> Time {
        self.at.saturating_add(Time::try_from(self.since.elapsed().as_micros()).unwrap_or(0))
    }
}

impl<S: Store> Account<S> {
    pub fn new(
        store: Arc<S>,
        name: String,
        process: String,
        limits: Vec<(Option<String>, Limit)>,
        moved: Arc<watch::Sender<u64>>,
    ) -> Arc<Account<S>> {
        Arc::new(Account { store, name, process, limits, desk: Mutex::default(), wake: Notify::new(), moved })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Nobody has looked how it stands.
    pub fn is_new(&self) -> bool {
        !self.desk().was_looked_at
    }

    /// Whether a call of the model has to ask before it goes.
    pub fn gates(&self, model: &str) -> bool {
        if self.limits.iter().any(|(of, _)| of.as_deref().is_none_or(|of| of == model)) {
            return true;
        }
        let desk = self.desk();
        // Until it is known what trouble means, calls ask; they are answered after it was heard.
        if desk.is_in_trouble() {
            return true;
        }
        let gated = desk.known.as_ref().map(|known| known.gate.gated(known.now()));
        gated.is_some_and(|gated| gated.is_none_or(|gated| gated.contains(model)))
    }

    /// Waits for a turn, as long as it takes. Dropped, it does not wait any more.
    pub async fn turn(self: &Arc<Self>, asking: Asking) -> Given {
        loop {
            let (answer, given) = oneshot::channel();
            self.desk().waiting.push(Waiter { asking: asking.clone(), since: Instant::now(), answer });
            self.wake_clerk();
            if let Ok(given) = given.await {
                return given;
            }
        }
    }

    /// What became of a call is told to the store where that can change anything.
    pub fn report(self: &Arc<Self>, report: Report) {
        let is_trouble = is_trouble(&report);
        self.desk().reports.push(report);
        if is_trouble {
            self.say_moved();
        }
        self.wake_clerk();
    }

    /// Whether the report of an ordinary answer would change anything.
    pub fn wants_reports(&self, model: &str) -> bool {
        self.desk().known.as_ref().is_some_and(|known| known.gate.wants_reports(model, known.now()))
    }

    /// Changes when a step is begun or ends.
    pub fn steps(&self) -> u64 {
        self.desk().steps
    }

    /// Takes over how the gate was when this process had come so far with its own steps. Older than one of these, it is not
    /// taken. None: nobody has stepped it yet.
    pub fn learn(&self, known: Option<Known>, steps: u64) {
        let gated = |known: &Option<Known>| known.as_ref().map_or(Some(BTreeSet::new()), |known| known.gate.gated(known.now()));
        let mut desk = self.desk();
        if desk.steps != steps {
            return;
        }
        let is_moved = match &desk.known {
            // What was known may have changed by time alone.
            Some(before) => before.gate.gated(before.at) != gated(&known),
            None => gated(&known) != gated(&None),
        };
        (desk.known, desk.was_looked_at) = (known, true);
        drop(desk);
        if is_moved {
            self.say_moved();
        }
    }

    fn say_moved(&self) {
        self.moved.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn wake_clerk(self: &Arc<Self>) {
        if !std::mem::replace(&mut self.desk().is_clerk_there, true) {
            tokio::spawn(self.clone().work());
        }
        self.wake.notify_one();
    }

    /// The clerk: until nobody waits and nothing is to be told.
    async fn work(self: Arc<Self>) {
        while let Some((step, asked)) = self.next_step() {
            let stepped = self.store.step_gate(&self.name, step).await;
            self.desk().steps += 1;
            let wait = match stepped {
                Ok(stepped) => self.answer(asked, stepped),
                Err(error) => {
                    tracing::warn!(account = self.name, %error, "rate limits cannot be kept");
                    self.desk().waiting.splice(..0, asked);
                    ASK_EVERY_MAX
                }
            };
            self.told();
            tokio::time::sleep(ASK_EVERY_MIN).await;
            if !wait.is_zero() {
                // Somebody who comes asks at once; those who wait know when.
                let _ = tokio::time::timeout(wait, self.wake.notified()).await;
            }
        }
    }

    /// None: the clerk may go.
    fn next_step(&self) -> Option<(Step, Vec<Waiter>)> {
        let mut desk = self.desk();
        desk.waiting.retain(|waiter| !waiter.answer.is_closed());
        if desk.waiting.is_empty() && desk.reports.is_empty() {
            desk.is_clerk_there = false;
            return None;
        }
        let asked = std::mem::take(&mut desk.waiting);
        let wants = asked.iter().map(Waiter::want).collect();
        let reports = std::mem::take(&mut desk.reports);
        desk.is_telling_trouble = reports.iter().any(is_trouble);
        desk.steps += 1;
        Some((Step { process: self.process.clone(), limits: self.limits.clone(), wants, reports }, asked))
    }

    /// What trouble means is known now, or cannot be.
    fn told(&self) {
        if std::mem::take(&mut self.desk().is_telling_trouble) {
            self.say_moved();
        }
    }

    /// Tells those whose turn it is; how long until the next may go.
    fn answer(&self, asked: Vec<Waiter>, stepped: Stepped) -> Duration {
        let Stepped { said, gate, now } = stepped;
        let mut wait = ASK_EVERY_MAX;
        let mut left = Vec::new();
        for (waiter, said) in asked.into_iter().zip(said) {
            let given = match said {
                Said::Go(turn) => Given::Go(turn),
                Said::Refused { until } => Given::Refused { wait: micros(until.saturating_sub(now)) },
                Said::Wait { until } => {
                    wait = wait.min(micros(until.saturating_sub(now)));
                    left.push(waiter);
                    continue;
                }
            };
            // Whoever does not wait any more loses the turn.
            let _ = waiter.answer.send(given);
        }
        let is_done = left.is_empty();
        self.desk().waiting.splice(..0, left);
        self.learn(Some(Known::of(gate, now)), self.steps());
        if is_done { Duration::ZERO } else { wait }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        // Nothing is done under the lock that could panic half way.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    fn is_in_trouble(&self) -> bool {
        self.is_telling_trouble || self.reports.iter().any(is_trouble)
    }
}

fn is_trouble(report: &Report) -> bool {
    matches!(report.outcome, Outcome::Failed | Outcome::Limited { .. })
}

impl Waiter {
    fn want(&self) -> Want {
        let Asking { lane, model, tokens, has_alternative } = self.asking.clone();
        let may_be_refused = has_alternative || self.since.elapsed() >= OUT_OF_SERVICE_MAX;
        Want { lane, model, tokens, may_be_refused }
    }
}

fn micros(time: Time) -> Duration {
    Duration::from_micros(u64::try_from(time).unwrap_or(0))
}
