//! Sources and actions of connectors, over HTTP.
//!
//! One call is one attempt: retries belong to the engine. Nothing splices raw text into a request: pieces of a path are
//! percent-encoded, headers with control characters are refused, JSON and forms are written by a writer. Credentials go to
//! the connector's own origin only.

mod auth;
mod body;
mod outcome;
mod paging;
mod request;
pub mod retry_after;

pub use paging::cursor_within;

use crate::{Page, Secrets};
use auth::Tokens;
use outcome::Answer;
use pmflow_plan::eval::{Context, Scope};
use pmflow_plan::value::Record;
use pmflow_plan::{Connector, Failure, FailureClass, Operation, ParameterDefault, Plan, Type, Value, schema};
use request::Prepared;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// The largest answer that is read, unless the builder says otherwise.
pub const ANSWER_BYTES_MAX: usize = 64 << 20;
const REDIRECTS_MAX: usize = 5;

/// Calls operations. Cheap to clone; clones share connections and OAuth tokens. Rate limits are the caller's to keep.
#[derive(Clone, Debug)]
pub struct Client {
    /// Made ready with the first request: reading all root certificates of the system takes ten milliseconds or more.
    http: Arc<OnceLock<Result<reqwest::Client, String>>>,
    base_urls: Arc<BTreeMap<String, String>>,
    answer_bytes_max: usize,
    tokens: Arc<Tokens>,
}

#[derive(Clone, Debug)]
pub struct ClientBuilder {
    base_urls: BTreeMap<String, String>,
    answer_bytes_max: usize,
}

impl ClientBuilder {
    /// Another address for a connector: a proxy, a mock, an instance of one's own.
    pub fn base_url(mut self, connector: impl Into<String>, url: impl Into<String>) -> ClientBuilder {
        self.base_urls.insert(connector.into(), url.into());
        self
    }

    pub fn answer_bytes_max(mut self, bytes: usize) -> ClientBuilder {
        self.answer_bytes_max = bytes;
        self
    }

    pub fn build(self) -> Client {
        self.over(Arc::default())
    }

    /// Over the connections of another client.
    pub fn sharing(self, client: &Client) -> Client {
        self.over(client.http.clone())
    }

    fn over(self, http: Arc<OnceLock<Result<reqwest::Client, String>>>) -> Client {
        Client { http, base_urls: Arc::new(self.base_urls), answer_bytes_max: self.answer_bytes_max, tokens: Arc::default() }
    }
}

/// One call of an operation of a plan.
#[derive(Clone, Copy)]
pub struct Invocation<'a> {
    pub plan: &'a Plan,
    pub operation: &'a Operation,
    pub arguments: &'a Record,
    /// What expressions see besides the arguments: the run's clock.
    pub scope: &'a Scope,
    /// Of one row, where the source says it; none: the operation's own.
    pub row: Option<&'a Type>,
    pub secrets: &'a dyn Secrets,
    /// Sent where the operation names a header for it.
    pub idempotency_key: Option<&'a str>,
    /// To the last byte.
    pub timeout: Duration,
}

impl std::fmt::Debug for Invocation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invocation").field("operation", &self.operation.name).finish_non_exhaustive()
    }
}

impl<'a> Invocation<'a> {
    fn context(&self) -> Context<'a> {
        Context::of(self.plan)
    }

    fn connector(&self) -> Result<&'a Connector, Failure> {
        let name = &self.operation.connector;
        self.plan.connectors.get(name).ok_or_else(|| self.not_sent(format!("the connector `{name}` is missing from the plan")))
    }

    /// The parameters by name: what the caller gave, else their default, else none.
    fn parameters(&self) -> Result<Scope, Failure> {
        let mut scope = self.scope.clone();
        for parameter in &self.operation.parameters {
            let value = match (self.arguments.get(&parameter.name), &parameter.default) {
                (Some(value), _) => value.clone(),
                (None, Some(ParameterDefault::Value(default))) => {
                    let value = pmflow_plan::eval::evaluate(default, self.scope, &self.context());
                    value.map_err(|error| self.not_sent(format!("the default of `{}`: {error}", parameter.name)))?
                }
                (None, _) => Value::None,
            };
            let value = schema::cast(&parameter.ty, &self.context().types, value);
            let value = value.map_err(|mismatch| self.not_sent(format!("`{}`: {mismatch}", parameter.name)))?;
            scope = scope.with(parameter.name.as_str(), value);
        }
        Ok(scope)
    }

    /// A failure before anything was sent, for a reason in the request.
    fn not_sent(&self, message: impl std::fmt::Display) -> Failure {
        Failure::not_sent(FailureClass::InvalidInput, format!("`{}` was not called: {message}", self.operation.name))
    }
}

impl Client {
    pub fn builder() -> ClientBuilder {
        ClientBuilder { base_urls: BTreeMap::new(), answer_bytes_max: ANSWER_BYTES_MAX }
    }

    /// One attempt of an action or a read; its result is of the operation's type.
    pub async fn call(&self, invocation: &Invocation<'_>) -> Result<Value, Failure> {
        let scope = invocation.parameters()?;
        let answer = self.attempt(invocation, &scope, None).await?;
        let value = answer.mapped(invocation)?;
        answer.cast(invocation, &invocation.operation.result, value)
    }

    /// One page of a source, from the beginning or where the cursor of the page before says.
    pub async fn page(&self, invocation: &Invocation<'_>, cursor: Option<&str>) -> Result<Page, Failure> {
        paging::page(self, invocation, cursor).await
    }

    /// Sends a request and reads its answer; `next` is a whole address to be used instead of the operation's own.
    async fn attempt(&self, invocation: &Invocation<'_>, scope: &Scope, next: Option<&str>) -> Result<Answer, Failure> {
        let deadline = Instant::now() + invocation.timeout;
        let connector = invocation.connector()?;
        let prepared = Prepared::new(self, invocation, connector, scope, next)?;
        let (answer, token_was_kept) = self.send(invocation, connector, &prepared, deadline).await?;
        // A kept token may have been withdrawn; refused for it, nothing was done, so a fresh one is tried once.
        if answer.status == 401 && token_was_kept {
            self.tokens.forget(connector).await;
            let (answer, _) = self.send(invocation, connector, &prepared, deadline).await?;
            return answer.accepted(invocation, connector, scope);
        }
        answer.accepted(invocation, connector, scope)
    }

    /// Fails where TLS cannot be set up, such as without any root certificate.
    fn http(&self) -> Result<&reqwest::Client, Failure> {
        self.http.get_or_init(connections).as_ref().map_err(|reason| Failure::not_sent(FailureClass::Transport, reason))
    }

    async fn send(
        &self,
        invocation: &Invocation<'_>,
        connector: &Connector,
        prepared: &Prepared,
        deadline: Instant,
    ) -> Result<(Answer, bool), Failure> {
        let credentials = auth::credentials(self, invocation, connector, deadline).await?;
        let mut url = prepared.url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let request = prepared.request(self.http()?, &url, &credentials, remaining(deadline));
            let answer = outcome::receive(request, invocation, &url, self.answer_bytes_max, &credentials).await?;
            match answer.redirect(&url, prepared.may_follow)? {
                Some(next) => url = next,
                None => return Ok((answer, credentials.token_was_kept)),
            }
        }
        let message = format!("`{}` redirects more than {REDIRECTS_MAX} times", invocation.operation.name);
        Err(Failure::not_billed(FailureClass::Transport, message))
    }
}

fn connections() -> Result<reqwest::Client, String> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("pmflow/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(Duration::from_secs(15));
    builder.build().map_err(|error| format!("the HTTP client cannot be set up: {error}"))
}

fn remaining(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}
