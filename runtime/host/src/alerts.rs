//! Alerts of budgets, told to people: each to every destination at least once, under a key by which a repetition is known.

mod mail;

pub use mail::Mail;

use crate::{clock, signature};
use pmflow_engine::Time;
use pmflow_store::{AlertDelivery, BREACH, BudgetAlert, Store, StoreError};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often new alerts are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// One that a process took and did not settle, for it died, is given to another after so long.
const HOLD: Duration = Duration::from_secs(60);
/// One attempt, all in all.
const ATTEMPT_MAX: Duration = Duration::from_secs(20);
/// Between two attempts: doubles from the first to the second of these.
const AGAIN_AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));

/// Where alerts go.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Of each destination another one: what was delivered is remembered under it.
    pub name: String,
    /// Only alerts of these levels; empty: of all.
    pub levels: Vec<String>,
    pub by: By,
}

#[derive(Clone, Debug)]
pub enum By {
    /// A POST of JSON, signed as Standard Webhooks are.
    Webhook {
        url: String,
        secret: Option<String>,
    },
    /// An incoming webhook.
    Slack {
        url: String,
    },
    Discord {
        url: String,
    },
    /// Boxed, as it is much the largest one.
    Mail(Box<Mail>),
}

/// Tells the destinations of one store's alerts.
#[derive(Debug)]
pub struct Alerts<S> {
    store: Arc<S>,
    teller: Teller,
    destinations: Vec<Destination>,
}

/// Sends one alert at a time.
#[derive(Clone, Debug)]
pub struct Teller {
    http: reqwest::Client,
}

impl Teller {
    pub fn new() -> Result<Teller, String> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("pmflow/", env!("CARGO_PKG_VERSION")))
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .timeout(ATTEMPT_MAX)
            .build();
        http.map(|http| Teller { http }).map_err(|error| format!("the HTTP client cannot be set up: {error}"))
    }

    /// An error says why the destination does not have it, as far as anybody knows. No address is in it, for it may be a secret.
    pub async fn tell(&self, destination: &Destination, alert: &BudgetAlert) -> Result<(), String> {
        let key = key(alert);
        match &destination.by {
            By::Webhook { url, secret } => {
                let body = serde_json::to_vec(&event(alert, &key)).map_err(|error| error.to_string())?;
                let headers = secret.iter().flat_map(|secret| signature::sign(secret, &key, clock::now(), &body));
                let mut request = self.http.post(url).header("content-type", "application/json").header("webhook-id", &key);
                for (name, value) in headers.filter(|(name, _)| *name != "webhook-id") {
                    request = request.header(name, value);
                }
                sent(request.body(body)).await
            }
            By::Slack { url } => sent(self.http.post(url).json(&json!({ "text": slack(&text(alert)) }))).await,
            By::Discord { url } => {
                // A name must not call everybody.
                let body = json!({ "content": text(alert), "allowed_mentions": { "parse": [] } });
                sent(self.http.post(url).json(&body)).await
            }
            By::Mail(mail) => {
                let (subject, text) = (subject(alert), text(alert));
                let told = mail.send(&key, &subject, &text);
                tokio::time::timeout(ATTEMPT_MAX, told).await.unwrap_or_else(|_| Err("it did not answer in time".to_owned()))
            }
        }
    }
}

impl<S: Store> Alerts<S> {
    pub fn new(store: Arc<S>, destinations: Vec<Destination>) -> Result<Alerts<S>, String> {
        Ok(Alerts { store, teller: Teller::new()?, destinations })
    }

    /// Until `stop` is true. Any number of processes may do so at once.
    pub async fn keep(self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow_and_update() && !self.destinations.is_empty() {
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "alerts cannot be looked for");
            }
            tokio::select! {
                // An error says that nobody can tell it to stop any more.
                changed = stop.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn look(&self) -> Result<(), StoreError> {
        let names: Vec<String> = self.destinations.iter().map(|destination| destination.name.clone()).collect();
        for delivery in self.store.take_alerts(&names, HOLD).await? {
            self.deliver(delivery).await?;
        }
        Ok(())
    }

    async fn deliver(&self, delivery: AlertDelivery) -> Result<(), StoreError> {
        let AlertDelivery { alert, destination: name, tries } = delivery;
        let Some(destination) = self.destinations.iter().find(|destination| destination.name == name) else { return Ok(()) };
        let is_wanted = destination.levels.is_empty() || destination.levels.contains(&alert.level);
        let told = if is_wanted { self.teller.tell(destination, &alert).await } else { Ok(()) };
        if let Err(reason) = &told {
            tracing::warn!(destination = name, reason, tries, "an alert was not delivered; it is sent again later");
        }
        let failed = told.err().map(|reason| (reason, again_after(tries)));
        self.store.settle_alert(alert.id, &name, failed).await
    }
}

async fn sent(request: reqwest::RequestBuilder) -> Result<(), String> {
    match request.send().await {
        Ok(response) if response.status().is_success() => Ok(()),
        Ok(response) => Err(format!("it answered with status {}", response.status().as_u16())),
        Err(error) => Err(error.without_url().to_string()),
    }
}

fn again_after(tries: u32) -> Duration {
    let (first, last) = AGAIN_AFTER;
    first.saturating_mul(1u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX)).min(last)
}

/// The same for every attempt at the same alert, and another for every other one.
pub fn key(alert: &BudgetAlert) -> String {
    let (version, threshold) = (alert.limit_version.to_string(), alert.threshold.to_string());
    let budget = &alert.key;
    let parts = [&budget.name, budget.scope.name(), &budget.subject, budget.period.name(), &alert.start, &version, &threshold];
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digits: String = hash.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("alert_{digits}")
}

fn event(alert: &BudgetAlert, key: &str) -> Value {
    let moment = |time: Time| chrono::DateTime::from_timestamp_micros(time).unwrap_or_default().to_rfc3339();
    json!({
        "type": "budget.alert",
        "id": key,
        "timestamp": moment(alert.at),
        "data": {
            "budget": alert.key.name,
            "scope": alert.key.scope.name(),
            "subject": alert.key.subject,
            "period": alert.key.period.name(),
            "period_start": alert.start,
            "level": alert.level,
            "threshold_percent": alert.threshold,
            "spent_dollars": alert.spent.to_decimal(),
            "limit_dollars": alert.limit.to_decimal(),
            "text": text(alert),
        },
    })
}

fn subject(alert: &BudgetAlert) -> String {
    if alert.level == BREACH {
        return format!("breach: a call of {} to {} was billed above its bound", alert.key.subject, alert.key.name);
    }
    format!("{}: {} is at {} %", alert.level, alert.key, alert.threshold)
}

/// The same for all who read it.
fn text(alert: &BudgetAlert) -> String {
    if alert.level == BREACH {
        return format!("breach: {alert}. See `pmflow usage` and `pmflow models`.");
    }
    let BudgetAlert { key, start, threshold, level, spent, limit, .. } = alert;
    let consequence = if *threshold >= 100 { " Calls that do not fit are not sent any more." } else { "" };
    format!(
        "{level}: {key} has reached {threshold} % in the period from {start}: {spent} of {limit} are spent.{consequence} \
         See `pmflow budget show`, or give more: `pmflow budget raise`."
    )
}

/// <https://docs.slack.dev/messaging/formatting-message-text/>: three characters are written otherwise.
fn slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
