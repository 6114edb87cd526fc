//! Flows, steps and operations.

use crate::{Expr, Lambda, Model, Money, Prompt, Type};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the plan's shape. A decoder refuses every other.
pub const PLAN_FORMAT: u32 = 1;

/// All that one flow needs to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub format: u32,
    /// The flow that a run of this plan executes.
    pub flow: String,
    pub flows: BTreeMap<String, Flow>,
    pub functions: BTreeMap<String, Function>,
    pub types: BTreeMap<String, Type>,
    pub models: BTreeMap<String, Model>,
    pub prompts: BTreeMap<String, Prompt>,
    /// Sources and actions of connectors, by full name: `hubspot.create_task`.
    pub operations: BTreeMap<String, Operation>,
    pub connectors: BTreeMap<String, Connector>,
    /// Hash of the price catalog that the facts in `models` came from.
    pub catalog: String,
    /// The proved ceiling of one run; none when something is unbounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<Money>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    pub name: String,
    pub ty: Type,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<ParameterDefault>,
}

/// What a parameter is when the caller gives nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ParameterDefault {
    Value(Expr),
    /// `env("NAME")`, read by the host when the run is created; a missing variable is an error before the run has an id.
    Environment(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    pub parameters: Vec<Parameter>,
    pub result: Type,
    pub body: Expr,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    pub name: String,
    pub parameters: Vec<Parameter>,
    pub settings: Settings,
    /// The type of one output; the value of a call of this flow is the list of its outputs.
    pub output: Type,
    pub body: Block,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Live items per loop.
    pub concurrency: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    pub on_error: OnError,
    pub budget: Budget,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// A failed item fails the run.
    Stop,
    /// A failed item is recorded and counted; the others go on.
    Skip,
    /// As `skip`, and the item is kept aside with its input, to be run again.
    Quarantine,
}

#[derive(Clone, Default, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub month: Option<Money>,
    /// Shared budgets, declared with `budget NAME { … }`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<SharedBudget>,
    pub on_exceed: OnExceed,
    /// Of the run's own limits, and of every budget that says nothing of its own.
    #[serde(default, skip_serializing_if = "WhenShort::is_wait")]
    pub when_short: WhenShort,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedBudget {
    pub name: String,
    pub scope: BudgetScope,
    pub day: Option<Money>,
    pub month: Option<Money>,
    /// Per cent and level, ascending.
    pub alerts: Vec<(u32, String)>,
    pub on_exceed: OnExceed,
    /// None: as the flow says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when_short: Option<WhenShort>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetScope {
    User,
    Team,
    Flow,
}

#[derive(Clone, Copy, Default, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnExceed {
    #[default]
    Stop,
    Suspend,
}

/// What becomes of a call whose hold does not fit.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenShort {
    /// It waits until other holds are settled; when that cannot help, [`OnExceed`] decides.
    #[default]
    Wait,
    /// The try fails at once, as any other does: another try where the author wants one, the next model, `else`.
    Refuse,
    /// A smaller output is asked for ([`crate::Prompt::output_tokens_min`]), or the next model that can be paid. Where that
    /// does not help it waits.
    ShrinkRequest,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    pub when: When,
    pub overlap: Overlap,
    pub catch_up: CatchUp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum When {
    EveryMs(u64),
    Cron { expression: String, zone: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    Skip,
    Queue,
    Allow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    None,
    Latest,
    All,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    pub parameter: String,
    pub ty: Type,
    /// The name of the secret that signs the body.
    pub hmac_secret: String,
    pub per_day_max: u64,
}

/// Steps in the order in which they are written.
#[derive(Clone, Default, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Unique in its block; the step's path is the names from the flow down, `daily/lead[key]/fit`.
    pub name: String,
    /// Positions of the steps of the same block that must have ended before: those whose values it names, and those
    /// whose order is kept.
    pub after: Vec<u32>,
    pub kind: StepKind,
    /// `was NAME`: the name that the step had before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum StepKind {
    /// Rows from outside. When `streamed`, nothing happens here: the one loop that uses it pulls the rows.
    Source(Source),
    /// A pure value, bound to the step's name.
    Let {
        value: Expr,
    },
    /// One prompt, operation or flow; its result is bound to the step's name.
    Call(Call),
    If {
        condition: Expr,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        likely_percent: Option<u32>,
        then: Block,
        otherwise: Block,
    },
    /// On an enum or another value; arms by the value's text.
    Match {
        value: Expr,
        arms: Vec<MatchArm>,
        otherwise: Option<Block>,
    },
    For(For),
    Repeat {
        up_to: u64,
        condition: Expr,
        body: Block,
    },
    /// Gives a variable carried by the enclosing `repeat` its next value.
    Set {
        variable: String,
        value: Expr,
    },
    Parallel {
        body: Block,
    },
    /// A durable timer.
    Wait(Wait),
    Approve(Approve),
    Output {
        value: Expr,
        tags: Vec<Expr>,
    },
    Fail {
        text: Expr,
    },
    Stop,
}

/// One value of a `match`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchArm {
    /// The value's text.
    pub case: String,
    /// How often it is this one, as far as the author says; for the expected cost only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub likely_percent: Option<u32>,
    pub body: Block,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub from: SourceFrom,
    /// Of one row.
    pub row: Type,
    /// Enforced while reading; a source without one is unbounded and has no ceiling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<u64>,
    pub streamed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SourceFrom {
    File(FileSource),
    /// A connector's source: the operation's full name and its arguments.
    Operation {
        operation: String,
        arguments: BTreeMap<String, Expr>,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSource {
    pub format: FileFormat,
    /// Relative to the flow's file.
    pub path: Expr,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FileFormat {
    Csv {
        delimiter: char,
        /// None: quotes are ordinary characters.
        quote: Option<char>,
        header: bool,
        on_bad_row: BadRow,
        /// `utf-8`, `utf-16`, `windows-1252`, …; none: from the byte order mark, else UTF-8.
        encoding: Option<String>,
    },
    Json,
    Jsonl,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BadRow {
    Fail,
    Skip,
}

/// What a call is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Target {
    Prompt(String),
    Operation(String),
    Flow(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    pub target: Target,
    pub arguments: BTreeMap<String, Expr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Stands in when all tries failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<Expr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_ms: Option<u64>,
    /// An idempotency key of the author's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Expr>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Tries after the first.
    pub times: u32,
    pub backoff_ms_min: u64,
    pub backoff_ms_max: u64,
    /// Empty: every class that can be retried.
    pub on: Vec<FailureClass>,
    /// Only after failures which prove that nothing was billed, so that the retries of a prompt cost nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unbilled: bool,
}

impl Retry {
    /// How many further tries of a prompt may each be billed.
    pub fn billed_times(&self) -> u32 {
        if self.unbilled { 0 } else { self.times }
    }
}

/// Why a step failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    Transport,
    RateLimit,
    Refusal,
    InvalidInput,
    InvalidOutput,
    Budget,
    Timeout,
    Cancelled,
    Permission,
    UnknownOutcome,
    /// An expression failed: overflow, division by zero, an index out of range, a cast.
    Expression,
    /// The author's own `fail`.
    Author,
}

impl FailureClass {
    /// As it is stored and written: `rate_limit`.
    pub fn name(self) -> &'static str {
        match self {
            FailureClass::Transport => "transport",
            FailureClass::RateLimit => "rate_limit",
            FailureClass::Refusal => "refusal",
            FailureClass::InvalidInput => "invalid_input",
            FailureClass::InvalidOutput => "invalid_output",
            FailureClass::Budget => "budget",
            FailureClass::Timeout => "timeout",
            FailureClass::Cancelled => "cancelled",
            FailureClass::Permission => "permission",
            FailureClass::UnknownOutcome => "unknown_outcome",
            FailureClass::Expression => "expression",
            FailureClass::Author => "author",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct For {
    /// The loop's variable.
    pub variable: String,
    pub over: Stream,
    /// Names the item across runs; none: its position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Expr>,
    /// The proved largest number of items; enforced. None: unbounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items_max: Option<u64>,
    /// Variables of the enclosing scopes that the body reads.
    pub captures: Vec<String>,
    pub body: Block,
    /// `yield E`; the loop's value is the list of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yields: Option<Expr>,
}

/// Where a loop's items come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    pub from: StreamFrom,
    /// Applied to each row while it streams by.
    pub stages: Vec<Stage>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum StreamFrom {
    List(Expr),
    /// A streamed [`StepKind::Source`] of the same block, by its name.
    Source(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Stage {
    Filter(Lambda),
    Map(Lambda),
    Skip(u64),
    Take(u64),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Wait {
    /// A duration.
    For(Expr),
    /// A datetime.
    Until(Expr),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    pub text: Expr,
    /// The role that may decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// On rejection or timeout; none: the item fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<Block>,
}

/// A service: where it is and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connector {
    pub name: String,
    pub base_url: Expr,
    pub auth: Auth,
    pub headers: Vec<(String, Expr)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<RateLimit>,
    /// Status codes, both ends inclusive, after which the same request may be sent again.
    pub retry_on: Vec<(u16, u16)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    pub requests: u64,
    pub per_ms: u64,
}

/// Secrets are names; their values exist only inside the executor that sends them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    None,
    Bearer { secret: String },
    Basic { user: Box<Credential>, password: Box<Credential> },
    Header { name: String, value: Box<Credential> },
    Query { name: String, value: Box<Credential> },
    Oauth2 { token_url: String, scopes: Vec<String>, grant: OauthGrant },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Credential {
    Secret(String),
    Text(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OauthGrant {
    ClientCredentials { client_id: Credential, client_secret: Credential },
    RefreshToken { client_id: Credential, client_secret: Credential, refresh_token: Credential },
    ServiceAccount { key: Credential },
}

/// A source or an action of a connector. Expressions see the parameters by name; response expressions see `body` (json),
/// `status` (int) and `headers` (map of text); request expressions of a paginated source see `page`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    pub name: String,
    pub connector: String,
    pub kind: OperationKind,
    pub parameters: Vec<Parameter>,
    /// Of one row for a source, of the whole answer for an action.
    pub result: Type,
    pub method: Method,
    /// Pieces of the path; each hole is percent-encoded.
    pub path: Vec<crate::Piece>,
    pub query: Vec<(String, Expr)>,
    pub headers: Vec<(String, Expr)>,
    pub body: Body,
    /// The rows or the result, from `body`; none: `body` itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<Expr>,
    pub paging: Paging,
    /// Own messages by status code.
    pub errors: Vec<ErrorCase>,
    pub repeat: Repeatable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    Source,
    /// Reads and may be repeated freely: an action by GET, used with `let`.
    Read,
    Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Body {
    None,
    Json(Expr),
    Form(Vec<(String, Expr)>),
    Multipart(Vec<(String, Expr)>),
    Text(Expr),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Paging {
    None,
    /// `next: body.offset`, read as `page.cursor`; none, an absent value or `""` ends it.
    Cursor {
        next: Expr,
    },
    /// `page.number`, from `first`; ends with an empty page, or when `next` (a bool) is given and false.
    Number {
        first: i64,
        next: Option<Expr>,
    },
    /// `page.offset`, the rows read so far; ends with an empty page.
    Offset {
        next: Option<Expr>,
    },
    /// The `Link: <…>; rel="next"` header, or a whole next address given by an expression.
    Link {
        next: Option<Expr>,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorCase {
    pub status_min: u16,
    pub status_max: u16,
    /// Raised although the status says success: Slack's `200 { ok: false }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Expr>,
    pub message: Expr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<FailureClass>,
}

/// How a repeated request is made harmless.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Repeatable {
    /// Reads only.
    Safe,
    /// The key is sent in this header.
    IdempotencyHeader(String),
    /// The service merges on this field.
    UpsertKey(String),
    CheckThenWrite(String),
    AtLeastOnceOk,
    /// Nothing was said: the action may not be retried.
    Unsaid,
}

/// Plan step path → place in the source; kept beside the plan, outside its identity.
#[derive(Clone, Default, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceMap {
    /// By step path with loop keys left out: `daily/lead/fit`. Prompts as `prompt:NAME`.
    pub places: BTreeMap<String, Place>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    pub file: String,
    /// Both from 1; the column counts characters.
    pub line: u32,
    pub column: u32,
}
