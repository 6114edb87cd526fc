//! Retention, all in one piece.

use super::{StoredExecution, Tables};
use crate::{Cutoffs, Kept, Prunable, Prune, Pruned, TriggerState};
use pmflow_engine::{RunStatus, Time};
use pmflow_plan::Value;
use std::collections::BTreeSet;

impl Tables {
    pub(super) fn prune(&mut self, what: &Prune) -> Pruned {
        let cutoffs = what.cutoffs(self.now);
        let mut pruned = Pruned { is_done: true, ..Pruned::default() };
        if let Some(before) = cutoffs.payloads {
            while let Some(number) = self.next(what, before, Kept::Metadata) {
                pruned.rows += self.runs.get_mut(&number).map_or(0, StoredExecution::empty);
                pruned.emptied += 1;
            }
            let is_its = |flow: &String| what.flow.as_ref().is_none_or(|wanted| wanted == flow);
            self.cache.retain(|_, (flow, answer)| answer.at >= before || !is_its(flow));
        }
        if let Some(before) = cutoffs.runs {
            while let Some(number) = self.next(what, before, Kept::Sums) {
                pruned.rows += self.runs.get_mut(&number).map_or(0, StoredExecution::strip);
                pruned.removed += 1;
            }
            self.prune_ledger(what, &cutoffs);
            self.prune_plans(what);
        }
        pruned
    }

    pub(super) fn prunable(&self, what: &Prune) -> Prunable {
        let cutoffs = what.cutoffs(self.now);
        let count = |before: Option<Time>, to: Kept| {
            let fit = |number: &&i64| before.is_some_and(|before| self.is_prunable(**number, what, before, to));
            self.runs.keys().filter(fit).count() as u64
        };
        Prunable { emptied: count(cutoffs.payloads, Kept::Metadata), removed: count(cutoffs.runs, Kept::Sums), rows: 0, bytes: 0 }
    }

    fn next(&self, what: &Prune, before: Time, to: Kept) -> Option<i64> {
        self.runs.keys().copied().find(|number| self.is_prunable(*number, what, before, to))
    }

    fn is_prunable(&self, number: i64, what: &Prune, before: Time, to: Kept) -> bool {
        let Some(execution) = self.runs.get(&number) else { return false };
        let row = &execution.row;
        let is_taken_over = self.runs.values().any(|later| later.kept == Kept::Whole && later.origin.as_ref() == Some(&row.id));
        execution.kept < to
            && matches!(row.status, RunStatus::Succeeded | RunStatus::Failed | RunStatus::Cancelled)
            && row.ended_at.is_some_and(|ended| ended < before)
            && row.account.held.pico() == 0
            && execution.holder(self.now).is_none()
            && what.flow.as_ref().is_none_or(|flow| *flow == row.flow)
            && !is_taken_over
    }

    fn prune_ledger(&mut self, what: &Prune, cutoffs: &Cutoffs) {
        let before = cutoffs.ledger;
        for execution in self.runs.values_mut().filter(|execution| execution.kept == Kept::Sums) {
            let is_old = execution.row.ended_at.is_some_and(|ended| ended < before);
            if is_old && execution.usage.iter().all(|line| line.at < before) {
                execution.usage.clear();
            }
        }
        if what.flow.is_none() {
            self.prune_accounts(before, &cutoffs.accounts_before());
        }
        let is_its = |flow: &String| what.flow.as_ref().is_none_or(|wanted| wanted == flow);
        let runs: BTreeSet<_> = self.runs.values().filter(|run| run.kept == Kept::Sums).map(|run| run.row.id.clone()).collect();
        for trigger in self.triggers.rows.iter_mut().filter(|trigger| trigger.state == TriggerState::Started) {
            if trigger.run.as_ref().is_some_and(|run| runs.contains(run)) {
                trigger.state = TriggerState::Ended;
            }
        }
        self.triggers.rows.retain(|trigger| {
            trigger.state.is_open() || trigger.recorded_at >= before || trigger.at >= before || !is_its(&trigger.flow)
        });
        let shares = &self.budgets.shares;
        let has_share = |number: i64| shares.range((number, i64::MIN)..=(number, i64::MAX)).next().is_some();
        let gone: Vec<i64> =
            self.runs.iter().filter(|(_, run)| run.kept == Kept::Sums && run.usage.is_empty()).map(|(n, _)| *n).collect();
        for number in gone.into_iter().filter(|number| !has_share(*number)) {
            if let Some(execution) = self.runs.remove(&number) {
                self.numbers.remove(&execution.row.id);
            }
        }
    }

    fn prune_plans(&mut self, what: &Prune) {
        let mut needed: BTreeSet<String> = self.runs.values().map(|run| run.row.plan.0.clone()).collect();
        needed.extend(self.present.values().map(|plan| plan.0.clone()));
        needed.extend(self.triggers.deployed.values().map(|deployed| deployed.deployment.plan.0.clone()));
        self.plans.retain(|id, plan| needed.contains(id) || what.flow.as_ref().is_some_and(|flow| *flow != plan.flow));
    }

    fn prune_accounts(&mut self, before: Time, accounts_before: &str) {
        let runs = &self.runs;
        let budgets = &mut self.budgets;
        let in_use: BTreeSet<i64> = budgets
            .shares
            .keys()
            .filter(|(number, _)| runs.get(number).is_some_and(|run| run.kept != Kept::Sums))
            .map(|(_, account)| *account)
            .collect();
        let lines = &budgets.lines;
        let gone: Vec<(i64, crate::BudgetKey, String)> = budgets
            .accounts
            .iter()
            .filter(|account| account.start.as_str() < accounts_before && account.account.held.pico() == 0)
            .filter(|account| !in_use.contains(&account.id))
            .filter(|account| {
                !lines.iter().any(|line| line.key == account.key && line.start == account.start && line.at >= before)
            })
            .map(|account| (account.id, account.key.clone(), account.start.clone()))
            .collect();
        for (id, key, start) in gone {
            budgets.accounts.retain(|account| account.id != id);
            budgets.shares.retain(|(_, account), _| *account != id);
            budgets.lines.retain(|line| line.key != key || line.start != start);
            budgets.alerts.retain(|alert| alert.key != key || alert.start != start);
        }
    }
}

impl StoredExecution {
    /// Takes its payloads; how many rows had some.
    fn empty(&mut self) -> u64 {
        let mut rows = (self.bindings.len() + self.outputs.len()) as u64;
        self.kept = Kept::Metadata;
        self.epoch += 1;
        self.row.input = Value::None;
        self.root_row = None;
        self.bindings.clear();
        for step in self.steps.values_mut() {
            rows += u64::from(step.result.take().is_some());
        }
        for instance in self.instances.values_mut() {
            instance.row.state.clear();
            if let Some(end) = &mut instance.end {
                (end.input, end.yielded) = (None, None);
            }
        }
        for output in self.outputs.values_mut() {
            output.value = Value::None;
        }
        for approval in self.approvals.values_mut() {
            approval.row.text.clear();
        }
        rows
    }

    /// Takes its rows as well, but for its own and its ledger; simulated money is none.
    fn strip(&mut self) -> u64 {
        let rows = (self.steps.len() + self.instances.len() + self.outputs.len()) as u64;
        self.empty();
        self.kept = Kept::Sums;
        self.steps.clear();
        self.instances.clear();
        self.outputs.clear();
        self.approvals.clear();
        if self.simulated {
            self.usage.clear();
        }
        rows
    }
}
