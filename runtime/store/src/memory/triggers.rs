//! Deployments and triggers.

use super::Tables;
use crate::trigger::{Deployed, Deployment, Recorded, Recording, Trigger, TriggerChange, TriggerKind, TriggerState};
use pmflow_engine::{RunId, RunStatus, Time};
use std::collections::BTreeMap;

const DAY: Time = 86_400_000_000;

#[derive(Debug, Default)]
pub(super) struct Triggers {
    pub deployed: BTreeMap<String, Deployed>,
    /// In the order in which they were recorded.
    pub rows: Vec<Trigger>,
}

impl Tables {
    pub(super) fn deploy(&mut self, deployment: Deployment) {
        let (now, flow) = (self.now, deployment.flow.clone());
        let paused = self.triggers.deployed.get(&flow).is_some_and(|deployed| deployed.paused);
        let deployed = Deployed { deployment, at: now, paused, decided_until: now, running: 0, waiting: 0, now };
        self.triggers.deployed.insert(flow, deployed);
    }

    pub(super) fn undeploy(&mut self, flow: &str) -> bool {
        for trigger in self.triggers.rows.iter_mut().filter(|trigger| trigger.flow == flow) {
            let waits = matches!(trigger.state, TriggerState::Queued | TriggerState::Due);
            if waits && trigger.kind != TriggerKind::Webhook {
                (trigger.state, trigger.reason) = (TriggerState::PassedOver, Some("the flow was taken out of force".to_owned()));
            }
        }
        self.triggers.deployed.remove(flow).is_some()
    }

    pub(super) fn deployments(&mut self) -> Vec<Deployed> {
        let mut rows = std::mem::take(&mut self.triggers.rows);
        for trigger in rows.iter_mut().filter(|trigger| trigger.state == TriggerState::Started) {
            if !trigger.run.as_ref().is_some_and(|run| self.is_alive(run)) {
                trigger.state = TriggerState::Ended;
            }
        }
        let count = |flow: &str, states: &[TriggerState]| {
            let of = |trigger: &&Trigger| {
                trigger.flow == flow && trigger.kind == TriggerKind::Schedule && states.contains(&trigger.state)
            };
            rows.iter().filter(of).count() as u64
        };
        let mut all: Vec<Deployed> = self.triggers.deployed.values().cloned().collect();
        for deployed in &mut all {
            deployed.now = self.now;
            deployed.running = count(&deployed.deployment.flow, &[TriggerState::Started]);
            deployed.waiting = count(&deployed.deployment.flow, &[TriggerState::Queued, TriggerState::Due]);
        }
        self.triggers.rows = rows;
        all
    }

    fn is_alive(&self, run: &RunId) -> bool {
        self.execution(run).is_ok_and(|(_, execution)| matches!(execution.row.status, RunStatus::Running | RunStatus::Suspended))
    }

    pub(super) fn pause_schedule(&mut self, flow: &str, paused: bool) -> bool {
        let now = self.now;
        let Some(deployed) = self.triggers.deployed.get_mut(flow) else { return false };
        if deployed.paused && !paused {
            deployed.decided_until = now;
        }
        deployed.paused = paused;
        true
    }

    pub(super) fn record_triggers(&mut self, recording: Recording) -> Recorded {
        let now = self.now;
        let Some(deployed) = self.triggers.deployed.get_mut(&recording.flow) else { return Recorded::NotDeployed };
        if let Some((from, until)) = recording.decided {
            if deployed.decided_until != from {
                return Recorded::Overtaken;
            }
            deployed.decided_until = until;
        }
        let rows = &self.triggers.rows;
        let known = |trigger: &Trigger| rows.iter().find(|row| row.is(&trigger.flow, trigger.kind, &trigger.key)).cloned();
        if let Some(most) = recording.per_day_max {
            if let Some(known) = recording.triggers.first().and_then(known) {
                return Recorded::Known(Box::new(known));
            }
            let today = |row: &&Trigger| {
                row.flow == recording.flow && row.kind == TriggerKind::Webhook && row.recorded_at >= now - now % DAY
            };
            let taken = rows.iter().filter(today).count() as u64;
            if taken >= most {
                return Recorded::Full(taken);
            }
        }
        let new: Vec<Trigger> = recording.triggers.into_iter().filter(|trigger| known(trigger).is_none()).collect();
        self.triggers.rows.extend(new.into_iter().map(|trigger| Trigger { recorded_at: now, ..trigger }));
        Recorded::Done
    }

    pub(super) fn list_triggers(&self, flow: Option<&str>, open_only: bool, rows_max: u32) -> Vec<Trigger> {
        let wanted = |row: &&Trigger| flow.is_none_or(|flow| row.flow == flow) && (!open_only || row.state.is_open());
        let found = self.triggers.rows.iter().filter(wanted);
        let most = rows_max as usize;
        if open_only { found.take(most).cloned().collect() } else { found.rev().take(most).cloned().collect() }
    }

    pub(super) fn change_trigger(&mut self, change: TriggerChange) -> bool {
        let is = |row: &&mut Trigger| row.is(&change.flow, change.kind, &change.key) && row.state == change.from;
        let Some(row) = self.triggers.rows.iter_mut().find(is) else { return false };
        row.state = change.to;
        row.reason = change.reason.or(row.reason.take());
        row.run = change.run.or(row.run.take());
        true
    }
}
