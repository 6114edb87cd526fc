//! Connector operations: actions and reads, and the pages of sources.

use crate::clients::Clients;
use crate::observe::Watch;
use crate::rows::{Gathered, pass};
use crate::turns::{Account, Asking, Turns, wait_us};
use crate::{Setup, clock, secrets};
use pmflow_connectors::http::{Client, Invocation, cursor_within};
use pmflow_engine::stream::Stages;
use pmflow_engine::{Event, OperationCall, Time};
use pmflow_ledger::gate::{Lane, Limit, Outcome, Report, Unit};
use pmflow_plan::eval::{Context, NOW, Scope, TODAY};
use pmflow_plan::failure::Failure;
use pmflow_plan::value::{Record, time};
use pmflow_plan::{Connector, FailureClass, Operation, Paging, Plan, Type, Value};
use pmflow_store::Store;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct Operations<S> {
    client: Client,
    turns: Arc<Turns<S>>,
    lane: Lane,
    /// Other addresses of connectors: another server has other limits.
    urls: BTreeMap<String, String>,
    /// By connector.
    accounts: Mutex<BTreeMap<String, Arc<Account<S>>>>,
}

/// A source's pages, as far as one pull wants them.
#[derive(Debug)]
pub(crate) struct PagePull<'a> {
    pub operation: &'a str,
    pub arguments: &'a Record,
    pub row: &'a Type,
    pub cursor: Option<String>,
    pub rows_max: u64,
    pub read_max: u64,
    pub timeout_ms: u64,
    pub stages: Stages,
}

impl<S: Store> Operations<S> {
    pub fn new(setup: &Setup, clients: &Clients, turns: Arc<Turns<S>>, lane: Lane) -> Operations<S> {
        let (client, urls) = (clients.of_operations(setup), setup.connector_urls.clone());
        Operations { client, turns, lane, urls, accounts: Mutex::default() }
    }

    pub async fn call(&self, plan: &Plan, watch: Watch<'_>, call: OperationCall) -> Event {
        let started_at = clock::now();
        let result = match operation(plan, &call.operation) {
            Ok(operation) => {
                let invocation = Invocation {
                    plan,
                    operation,
                    arguments: &call.arguments,
                    scope: &run_clock(clock::now()),
                    row: None,
                    secrets: &secret,
                    idempotency_key: Some(&call.idempotency_key),
                    timeout: Duration::from_millis(call.timeout_ms),
                };
                self.call_in_turn(invocation).await
            }
            Err(failure) => Err(failure),
        };
        watch.operation_call(&call.operation, started_at, &result);
        match result {
            Ok(value) => Event::OperationAnswered { call: call.call, value },
            Err(failure) => Event::CallFailed { call: call.call, failure },
        }
    }

    /// Whole pages are asked for; when a pull wants only a part of one, the cursor points into it.
    pub async fn pages(&self, plan: &Plan, pull: PagePull<'_>) -> Result<Gathered, Failure> {
        let operation = operation(plan, pull.operation)?;
        let invocation = Invocation {
            plan,
            operation,
            arguments: pull.arguments,
            scope: &run_clock(pull.stages.now),
            row: Some(pull.row),
            secrets: &secret,
            idempotency_key: None,
            timeout: Duration::from_millis(pull.timeout_ms),
        };
        let first_number = match operation.paging {
            Paging::Number { first, .. } => first,
            _ => 0,
        };
        let (mut stages, mut cursor, mut rows, mut read) = (pull.stages, pull.cursor, Vec::new(), 0);
        loop {
            let (account, timeout) = self.turn(&invocation).await?;
            let page = self.client.page(&Invocation { timeout, ..invocation }, cursor.as_deref()).await;
            self.heard(&account, page.as_ref().err());
            let page = page?;
            let length = page.rows.len() as u64;
            let (taken, counted) = sieve(plan, &stages, page.rows, pull.rows_max, &mut rows);
            stages = counted;
            read += taken;
            let whole = taken == length;
            let exhausted = stages.ended() || (whole && page.exhausted);
            cursor = if whole { Some(page.cursor) } else { cursor_within(cursor.as_deref(), taken, first_number) };
            if exhausted || rows.len() as u64 >= pull.rows_max || read >= pull.read_max {
                return Ok(Gathered { rows, cursor, stages, exhausted });
            }
        }
    }
}

impl<S: Store> Operations<S> {
    async fn call_in_turn(&self, invocation: Invocation<'_>) -> Result<Value, Failure> {
        let (account, timeout) = self.turn(&invocation).await?;
        let answer = self.client.call(&Invocation { timeout, ..invocation }).await;
        self.heard(&account, answer.as_ref().err());
        answer
    }

    /// Waits until the connector's limits allow a request, within its timeout; what is left of that.
    async fn turn(&self, invocation: &Invocation<'_>) -> Result<(Arc<Account<S>>, Duration), Failure> {
        let operation = invocation.operation;
        let connector = invocation.plan.connectors.get(&operation.connector).ok_or_else(|| {
            Failure::not_sent(FailureClass::Permission, format!("the plan has no connector `{}`", operation.connector))
        })?;
        let (account, started) = (self.account(connector), Instant::now());
        if account.gates("") {
            let asking = Asking { lane: self.lane.clone(), model: String::new(), tokens: 0, has_alternative: false };
            if tokio::time::timeout(invocation.timeout, account.turn(asking)).await.is_err() {
                return Err(no_turn(operation));
            }
        }
        let left = invocation.timeout.saturating_sub(started.elapsed());
        Ok((account, left.max(Duration::from_millis(1))))
    }

    /// A service that asks for patience asks all calls for it.
    fn heard(&self, account: &Arc<Account<S>>, failure: Option<&Failure>) {
        let outcome = match failure {
            None => Outcome::Answered,
            Some(failure) if failure.class == FailureClass::RateLimit => Outcome::Limited { wait_us: wait_us(failure) },
            Some(_) => return,
        };
        if failure.is_some() || account.wants_reports("") {
            account.report(Report { model: String::new(), outcome, used: None, readings: Vec::new() });
        }
    }

    fn account(&self, connector: &Connector) -> Arc<Account<S>> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = accounts.get(&connector.name) {
            return account.clone();
        }
        let limit = connector.rate.filter(|rate| rate.requests > 0).map(|rate| Limit {
            unit: Unit::Requests,
            most: rate.requests,
            per_us: i64::try_from(rate.per_ms.saturating_mul(1000)).unwrap_or(i64::MAX),
        });
        let limits = limit.map(|limit| (None, limit)).into_iter().collect();
        let name = account_name(connector, self.urls.get(&connector.name));
        let account = self.turns.account(&name, limits);
        accounts.insert(connector.name.clone(), account.clone());
        account
    }
}

/// The same for the same server and the same kind of credentials.
fn account_name(connector: &Connector, url: Option<&String>) -> String {
    let place = serde_json::to_string(&(&connector.base_url, &connector.auth, url)).unwrap_or_default();
    let digest: String = Sha256::digest(place).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("connector {} {digest}", connector.name)
}

fn no_turn(operation: &Operation) -> Failure {
    let message = format!(
        "`{}` was not called: `{}` takes only so many requests, and the turn of this one did not come before its timeout",
        operation.name, operation.connector
    );
    Failure::not_sent(FailureClass::RateLimit, message)
}

/// Sends rows through the stages until enough have passed; how many were taken, and the stages after them.
fn sieve(plan: &Plan, stages: &Stages, page: Vec<Value>, rows_max: u64, rows: &mut Vec<pmflow_engine::Row>) -> (u64, Stages) {
    let context = Context::of(plan);
    let mut sieve = stages.sieve(&context);
    let mut taken = 0;
    for row in page {
        if sieve.ended() || rows.len() as u64 >= rows_max {
            break;
        }
        taken += 1;
        pass(&mut sieve, row, rows);
    }
    (taken, sieve.stages().clone())
}

fn operation<'a>(plan: &'a Plan, name: &str) -> Result<&'a Operation, Failure> {
    plan.operations
        .get(name)
        .ok_or_else(|| Failure::not_sent(FailureClass::Permission, format!("the plan has no operation `{name}`")))
}

fn secret(name: &str) -> Option<SecretString> {
    secrets::secret(name)
}

fn run_clock(now: Time) -> Scope {
    let day = time::datetime_day(now).unwrap_or(0);
    Scope::default().with_all([(NOW, Value::Datetime(now)), (TODAY, Value::Date(day))])
}
