//! What is sent to a webhook: verified, known again, checked against the flow's type, and made the input of one run.

use crate::deploy::{InForce, run_id};
use crate::signature::{self, SignatureError};
use crate::{Host, HostError, secrets};
use pmflow_engine::RunId;
use pmflow_plan::schema::{Types, validate};
use pmflow_plan::{Plan, Value, Webhook};
use pmflow_store::{Deployed, Recorded, Recording, Store, Trigger, TriggerKind, TriggerState};
use std::sync::Arc;

/// A delivery that was taken. Its run is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pub run: RunId,
    /// False: it was taken before, and this is the run that it started then.
    pub is_new: bool,
}

/// Why a delivery starts no run; each is a sentence for the one who sent it.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    #[error("no flow of this name is in force with a webhook")]
    NotThere,
    #[error("{0}")]
    Signature(#[from] SignatureError),
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    #[error("the body does not fit the flow's `{parameter}`: {place}expected {expected}, found {found}")]
    Mismatch { parameter: String, path: String, place: String, expected: String, found: String },
    #[error("{taken} deliveries were taken today, as many as the flow allows; try again tomorrow (UTC)")]
    Full { taken: u64 },
    /// Nothing that the sender could mend.
    #[error("the secret `{0}` of the webhook is not set where it is served")]
    NoSecret(String),
    #[error(transparent)]
    Host(#[from] HostError),
}

impl<S: Store> Host<S> {
    /// Takes a delivery for a flow. `header` gives a header's value by its name in lower case.
    pub async fn receive(&self, flow: &str, header: impl Fn(&str) -> Option<String>, body: &[u8]) -> Result<Taken, Rejection> {
        let (deployed, plan, webhook) = self.served(flow).await?;
        let no_secret = || Rejection::NoSecret(webhook.hmac_secret.clone());
        let secret = secrets::environment(&webhook.hmac_secret).ok_or_else(no_secret)?;
        secrets::know(&secret);
        let key = signature::verify(&secret, header, body, deployed.now)?;
        let sent = read(&plan, &webhook, body)?;
        let in_force = InForce::of(&deployed.deployment)?;
        let recording = Recording {
            flow: flow.to_owned(),
            decided: None,
            triggers: vec![trigger(flow, &key, deployed.now)],
            per_day_max: Some(webhook.per_day_max),
        };
        let given = recording.triggers.first().cloned();
        let recorded = self.store.record_triggers(recording).await.map_err(HostError::from)?;
        let (trigger, is_new) = match (recorded, given) {
            (Recorded::Known(known), _) if known.state != TriggerState::Due => {
                return Ok(Taken { run: known.run.clone().unwrap_or_else(|| run_id(&known)), is_new: false });
            }
            // Recorded, and then interrupted: the run is still to be made.
            (Recorded::Known(known), _) => (*known, false),
            (Recorded::Done, Some(trigger)) => (trigger, true),
            (Recorded::Full(taken), _) => return Err(Rejection::Full { taken }),
            (Recorded::NotDeployed | Recorded::Overtaken | Recorded::Done, _) => return Err(Rejection::NotThere),
        };
        let input = with(in_force.input, &webhook.parameter, sent);
        let run = self.start_triggered(&plan, &trigger, in_force.setup, input).await?;
        let mut started = trigger.change(TriggerState::Started);
        started.run = Some(run.clone());
        self.store.change_trigger(started).await.map_err(HostError::from)?;
        Ok(Taken { run, is_new })
    }

    async fn served(&self, flow: &str) -> Result<(Deployed, Arc<Plan>, Webhook), Rejection> {
        let all = self.store.deployments().await.map_err(HostError::from)?;
        let deployed = all.into_iter().find(|deployed| deployed.deployment.flow == flow).ok_or(Rejection::NotThere)?;
        let plan = self.plan_of(&deployed.deployment.plan).await?;
        let webhook = plan.flows.get(&plan.flow).and_then(|flow| flow.settings.webhook.clone()).ok_or(Rejection::NotThere)?;
        Ok((deployed, plan, webhook))
    }
}

fn read(plan: &Plan, webhook: &Webhook, body: &[u8]) -> Result<Value, Rejection> {
    let json: serde_json::Value = serde_json::from_slice(body).map_err(|error| Rejection::NotJson(error.to_string()))?;
    validate(&webhook.ty, &Types::new(&plan.types), &json).map_err(|mismatch| Rejection::Mismatch {
        parameter: webhook.parameter.clone(),
        place: if mismatch.path.is_empty() { String::new() } else { format!("`{}`: ", mismatch.path) },
        path: mismatch.path,
        expected: mismatch.expected,
        found: mismatch.found,
    })
}

fn with(input: Value, name: &str, sent: Value) -> Value {
    let mut fields: Vec<(String, Value)> = match input {
        Value::Record(record) => record.fields.iter().map(|(name, value)| (name.to_string(), value.clone())).collect(),
        _ => Vec::new(),
    };
    fields.push((name.to_owned(), sent));
    Value::record(fields)
}

fn trigger(flow: &str, key: &str, now: pmflow_engine::Time) -> Trigger {
    let moment = chrono::DateTime::from_timestamp_micros(now).unwrap_or_default();
    Trigger {
        flow: flow.to_owned(),
        kind: TriggerKind::Webhook,
        key: key.to_owned(),
        at: now,
        local: moment.format("%Y-%m-%dT%H:%M:%S").to_string(),
        start_at: now,
        batch: None,
        state: TriggerState::Due,
        reason: None,
        run: None,
        recorded_at: 0,
    }
}
