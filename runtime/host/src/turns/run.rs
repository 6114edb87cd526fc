//! One run's calls and the accounts that they go to.

use super::{Account, Asking, Given, Turns, declared};
use crate::models::Models;
use crate::observe::{Observer, Seen};
use crate::{HostError, clock, secrets};
use pmflow_engine::{Event, ModelCall, Path, Time, TurnRequest};
use pmflow_ledger::gate::{Lane, Outcome, Reading, Report, Turn, Unit};
use pmflow_plan::failure::{Billing, Failure};
use pmflow_plan::{FailureClass, Plan, Usage};
use pmflow_providers::{Allowance, Counted, Failed, Response, rate_limit_variable};
use pmflow_store::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A turn has to be used within this; limits that are declared per minute allow for it.
const TURN_GOOD_FOR_US: Time = 1_000_000;

#[derive(Debug)]
pub(crate) struct RunTurns<S> {
    lane: Lane,
    /// By the model's id in the plan: its account, and its name there.
    models: BTreeMap<String, (Arc<Account<S>>, String)>,
    /// Turns of calls under way, by step.
    given: Mutex<BTreeMap<Path, Turn>>,
    moved: watch::Receiver<u64>,
    observer: Arc<dyn Observer>,
}

impl<S: Store> RunTurns<S> {
    pub fn new(
        turns: &Arc<Turns<S>>,
        plan: &Plan,
        models: &Models,
        lane: Lane,
        observer: Arc<dyn Observer>,
    ) -> Result<RunTurns<S>, HostError> {
        let mut accounts = BTreeMap::new();
        for (id, model) in &plan.models {
            let Some(name) = models.account(id) else { continue };
            let variable = rate_limit_variable(&model.provider);
            let limits = declared(&secrets::environment(&variable).unwrap_or_default());
            let limits = limits.map_err(|reason| HostError::Setup(format!("{variable}: {reason}")))?;
            accounts.insert(id.clone(), (turns.account(&name, limits), model.wire_name.clone()));
        }
        Ok(RunTurns { lane, models: accounts, given: Mutex::default(), moved: turns.moved(), observer })
    }

    /// Changes when other models may be gated than before.
    pub fn moved(&self) -> watch::Receiver<u64> {
        self.moved.clone()
    }

    /// The plan's models whose calls have to ask before they go.
    pub fn gated(&self) -> BTreeSet<String> {
        let gated = |(account, model): &(Arc<Account<S>>, String)| account.gates(model);
        self.models.iter().filter(|(_, model)| gated(model)).map(|(id, _)| id.clone()).collect()
    }

    pub async fn turn(&self, request: TurnRequest) -> Event {
        let TurnRequest { instance, step, model, tokens_max, has_alternative } = request;
        let given = match self.models.get(&model) {
            Some((account, name)) => {
                let (lane, since) = (self.lane.clone(), Instant::now());
                let given = account.turn(Asking { lane, model: name.clone(), tokens: tokens_max, has_alternative }).await;
                let provider = model.split('/').next().unwrap_or_default();
                self.observer.see(&Seen::TurnCame { provider, model: name, waited: since.elapsed() });
                Some(given)
            }
            None => None,
        };
        if let Some(Given::Refused { wait }) = given {
            let failure = out_of_service(&model, wait);
            return Event::TurnRefused { instance, step, model, failure };
        }
        if let Some(Given::Go(turn)) = given {
            self.given.lock().unwrap_or_else(PoisonError::into_inner).insert(step.clone(), turn);
        }
        Event::TurnCame { instance, step, model, until: clock::now().saturating_add(TURN_GOOD_FOR_US) }
    }

    /// Tells the account what became of a call, where that means anything to others.
    pub fn report(&self, call: &ModelCall, answer: &Result<Response, Failed>) {
        let Some((account, model)) = self.models.get(&call.model) else { return };
        let turn = self.given.lock().unwrap_or_else(PoisonError::into_inner).remove(&call.call.step);
        let (outcome, usage, allowances) = match answer {
            Ok(response) => (Outcome::Answered, Some(&response.usage), &response.allowances),
            Err(failed) => (outcome(&failed.failure), failed.usage.as_ref(), &failed.allowances),
        };
        let is_ordinary = matches!(outcome, Outcome::Answered | Outcome::Unsent) && !allowances.iter().any(is_low);
        if is_ordinary && turn.is_none() && !account.wants_reports(model) {
            return;
        }
        let used = turn.map(|turn| (turn, tokens(&outcome, usage, turn)));
        let readings = allowances.iter().map(reading).collect();
        account.report(Report { model: model.clone(), outcome, used, readings });
    }
}

fn outcome(failure: &Failure) -> Outcome {
    match (failure.class, failure.billing) {
        (FailureClass::RateLimit, Billing::NotBilled) => Outcome::Limited { wait_us: wait_us(failure) },
        // An overloaded server is one that does not serve.
        (FailureClass::RateLimit | FailureClass::Transport | FailureClass::Timeout, _) => Outcome::Failed,
        (_, Billing::NotSent) => Outcome::Unsent,
        _ => Outcome::Answered,
    }
}

pub(crate) fn wait_us(failure: &Failure) -> Option<Time> {
    failure.retry_after_ms.map(|wait| Time::try_from(wait.saturating_mul(1000)).unwrap_or(Time::MAX))
}

/// What the call really took; where nobody knows, what it was allowed.
fn tokens(outcome: &Outcome, usage: Option<&Usage>, turn: Turn) -> u64 {
    match (outcome, usage) {
        (Outcome::Limited { .. } | Outcome::Unsent, _) => 0,
        (
            _,
            Some(Usage { input_tokens: Some(input), output_tokens: Some(output), cache_read_tokens, cache_write_tokens, .. }),
        ) => [Some(*input), Some(*output), *cache_read_tokens, *cache_write_tokens].into_iter().flatten().sum(),
        _ => turn.tokens,
    }
}

fn is_low(allowance: &Allowance) -> bool {
    allowance.left < allowance.most / 4
}

fn reading(allowance: &Allowance) -> Reading {
    let unit = match allowance.of {
        Counted::Requests => Unit::Requests,
        Counted::Tokens => Unit::Tokens,
    };
    let full_in_us = Time::try_from(allowance.full_in_ms.saturating_mul(1000)).unwrap_or(Time::MAX);
    Reading { unit, most: allowance.most, left: allowance.left, full_in_us }
}

fn out_of_service(model: &str, wait: Duration) -> Failure {
    let seconds = wait.as_secs() + 1;
    let message =
        format!("`{model}` is out of service: its last calls failed, in this run or in others; it is tried again in {seconds} s");
    let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    Failure::not_sent(FailureClass::Transport, message).retry_after_ms(Some(wait_ms))
}
