//! Connector operations: actions and reads, and the pages of sources.

use crate::clients::Clients;
use crate::rows::{Gathered, pass};
use crate::{Setup, clock, secrets};
use pmflow_connectors::http::{Client, Invocation, cursor_within};
use pmflow_engine::stream::Stages;
use pmflow_engine::{Event, OperationCall, Time};
use pmflow_plan::eval::{Context, NOW, Scope, TODAY};
use pmflow_plan::failure::Failure;
use pmflow_plan::value::{Record, time};
use pmflow_plan::{FailureClass, Operation, Paging, Plan, Type, Value};
use secrecy::SecretString;
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Operations {
    client: Client,
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

impl Operations {
    pub fn new(setup: &Setup, clients: &Clients) -> Operations {
        Operations { client: clients.of_operations(setup) }
    }

    pub async fn call(&self, plan: &Plan, call: OperationCall) -> Event {
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
                self.client.call(&invocation).await
            }
            Err(failure) => Err(failure),
        };
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
            let page = self.client.page(&invocation, cursor.as_deref()).await?;
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
    secrets::environment(name).map(SecretString::from)
}

fn run_clock(now: Time) -> Scope {
    let day = time::datetime_day(now).unwrap_or(0);
    Scope::default().with_all([(NOW, Value::Datetime(now)), (TODAY, Value::Date(day))])
}
