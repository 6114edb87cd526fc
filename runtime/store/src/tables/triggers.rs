//! Columns of deployments and triggers, as both databases name them.

use super::decode::{Detail, money, unsigned};
use crate::trigger::{Batch, Deployed, Deployment, Trigger, TriggerKind, TriggerState};
use pmflow_engine::RunId;
use pmflow_plan::PlanId;

#[derive(Debug)]
pub struct TriggerColumns {
    pub flow: String,
    pub kind: String,
    pub key: String,
    pub at: i64,
    pub local: String,
    pub start_at: i64,
    pub batch: Option<String>,
    pub budget_pico: Option<i64>,
    pub state: String,
    pub reason: Option<String>,
    pub run_id: Option<String>,
    pub recorded_at: i64,
}

impl TriggerColumns {
    pub fn trigger(self) -> Result<Trigger, Detail> {
        let kind = TriggerKind::ALL.into_iter().find(|kind| kind.name() == self.kind);
        let state = TriggerState::ALL.into_iter().find(|state| state.name() == self.state);
        let batch = self.batch.zip(self.budget_pico);
        Ok(Trigger {
            flow: self.flow,
            kind: kind.ok_or_else(|| format!("a trigger's kind is `{}`", self.kind))?,
            key: self.key,
            at: self.at,
            local: self.local,
            start_at: self.start_at,
            batch: batch.map(|(name, budget)| Batch { name, budget: money(budget) }),
            state: state.ok_or_else(|| format!("a trigger's state is `{}`", self.state))?,
            reason: self.reason,
            run: self.run_id.map(|run| RunId(run.into())),
            recorded_at: self.recorded_at,
        })
    }
}

#[derive(Debug)]
pub struct DeploymentColumns {
    pub flow: String,
    pub plan_id: String,
    pub body: String,
    pub deployed_by: String,
    pub at: i64,
    pub paused: bool,
    pub decided_until: i64,
    pub running: i64,
    pub waiting: i64,
    pub now: i64,
}

impl DeploymentColumns {
    pub fn deployed(self) -> Deployed {
        Deployed {
            deployment: Deployment { flow: self.flow, plan: PlanId(self.plan_id), body: self.body, by: self.deployed_by },
            at: self.at,
            paused: self.paused,
            decided_until: self.decided_until,
            running: unsigned(self.running),
            waiting: unsigned(self.waiting),
            now: self.now,
        }
    }
}
