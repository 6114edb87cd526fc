//! What a run meets outside: the trait that a test's stand-ins implement as well, and a world made by chance.

use crate::random::Random;
use pmflow_engine::{ApprovalRequest, Finish, ModelCall, OperationCall, Pull, ResolvedSource, Time};
use pmflow_plan::schema::{Types, generate};
use pmflow_plan::{Failure, FailureClass, Plan, Type, Usage, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Answers, each after some virtual time.
pub trait World {
    fn call_model(&mut self, call: &ModelCall) -> Reply<Result<ModelAnswer, Failure>>;

    fn call_operation(&mut self, call: &OperationCall) -> Reply<Result<Value, Failure>>;

    /// All rows of a source, before its limit and its stages. Asked for once per pull.
    fn rows(&mut self, pull: &Pull) -> Reply<Result<Arc<Vec<Value>>, Failure>>;

    /// None: nobody decides.
    fn decide(&mut self, request: &ApprovalRequest) -> Option<Reply<Decision>>;
}

/// An answer and how long it takes, in microseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply<T> {
    pub after: Time,
    pub answer: T,
}

impl<T> Reply<T> {
    pub fn at_once(answer: T) -> Reply<T> {
        Reply { after: 0, answer }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ModelAnswer {
    pub text: String,
    pub finish: Finish,
    pub usage: Usage,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub approved: bool,
    pub by: String,
}

/// How unkind the world is, in percent of the calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Troubles {
    pub transport: u64,
    pub rate_limit: u64,
    pub refusal: u64,
    pub invalid: u64,
    pub truncated: u64,
    pub timeout: u64,
    pub permission: u64,
    /// Usage as large as the bounds allow.
    pub greedy: u64,
    /// Some counts are not reported.
    pub silent: u64,
    /// Usage above the bounds, which no honest provider reports.
    pub breach: u64,
}

impl Troubles {
    pub fn some() -> Troubles {
        Troubles {
            transport: 8,
            rate_limit: 8,
            refusal: 3,
            invalid: 8,
            truncated: 3,
            timeout: 4,
            permission: 2,
            greedy: 20,
            silent: 10,
            breach: 0,
        }
    }
}

impl Troubles {
    fn put_off(&self, random: &mut Random) -> Option<Failure> {
        random.percent(self.rate_limit).then(|| {
            let after = random.percent(50).then(|| random.below(3_000));
            Failure::not_billed(FailureClass::RateLimit, "too many requests").retry_after_ms(after)
        })
    }

    fn trouble(&self, random: &mut Random) -> Option<Failure> {
        if random.percent(self.transport) {
            if random.percent(30) {
                return Some(Failure::not_sent(FailureClass::Transport, "the connection was refused"));
            }
            return Some(Failure::unknown(FailureClass::Transport, "the connection broke"));
        }
        if random.percent(self.timeout) {
            return Some(Failure::unknown(FailureClass::Timeout, "no answer in time"));
        }
        random.percent(self.permission).then(|| Failure::not_billed(FailureClass::Permission, "the key is not valid"))
    }
}

/// Made by chance and the same for the same seed: what a call comes to follows from the call alone, not from when it is
/// made or what was called before.
#[derive(Debug)]
pub struct SeededWorld {
    pub seed: u64,
    pub troubles: Troubles,
    pub types: BTreeMap<String, Type>,
    /// Rows of sources by operation name.
    pub sources: BTreeMap<String, Arc<Vec<Value>>>,
    /// Results of operations.
    pub results: BTreeMap<String, Type>,
    pulls_failed: BTreeMap<String, u64>,
}

impl SeededWorld {
    pub fn new(plan: &Plan, seed: u64, troubles: Troubles) -> SeededWorld {
        let results = plan.operations.iter().map(|(name, operation)| (name.clone(), operation.result.clone())).collect();
        SeededWorld {
            seed,
            troubles,
            types: plan.types.clone(),
            sources: BTreeMap::new(),
            results,
            pulls_failed: BTreeMap::new(),
        }
    }

    pub fn source(mut self, operation: &str, rows: Vec<Value>) -> SeededWorld {
        self.sources.insert(operation.to_owned(), Arc::new(rows));
        self
    }

    fn usage(&self, call: &ModelCall, random: &mut Random) -> Usage {
        let (input_max, output_max) = (call.input_tokens_max, call.output_tokens_max);
        if random.percent(self.troubles.breach) {
            return Usage { input_tokens: Some(input_max * 3), output_tokens: Some(output_max * 3), ..Usage::default() };
        }
        if random.percent(self.troubles.greedy) {
            return Usage { input_tokens: Some(input_max), output_tokens: Some(output_max), ..Usage::default() };
        }
        let read = random.below(input_max / 2 + 1);
        let input = random.below(input_max - read + 1);
        let mut usage = Usage {
            input_tokens: Some(input),
            cache_read_tokens: Some(read),
            cache_write_tokens: Some(0),
            output_tokens: Some(random.below(output_max + 1)),
            reasoning_tokens: None,
        };
        if random.percent(self.troubles.silent) {
            usage.input_tokens = None;
        }
        if random.percent(self.troubles.silent) {
            usage.output_tokens = None;
        }
        usage
    }
}

impl World for SeededWorld {
    fn call_model(&mut self, call: &ModelCall) -> Reply<Result<ModelAnswer, Failure>> {
        // Put off, a call comes back under the same key: only the count of sendings tells the two apart. After a crash
        // that count is higher as well, so it decides about nothing but being put off.
        let mut random = Random::of(self.seed, &call.idempotency_key);
        let mut later = Random::of(self.seed, &format!("{} {}", call.idempotency_key, call.call.attempt));
        let after = 1_000 + i64::try_from(later.below(400_000)).unwrap_or(0);
        let trouble = self.troubles.put_off(&mut later).or_else(|| self.troubles.trouble(&mut random));
        if let Some(failure) = trouble {
            return Reply { after, answer: Err(failure) };
        }
        let usage = self.usage(call, &mut random);
        let types = Types::new(&self.types);
        let value = generate(&call.answer, &types, random.draw());
        let text = match (&call.answer, &value) {
            (Type::Text(_), value) => value.to_text(),
            (_, value) => value.to_json().to_string(),
        };
        let answer = if random.percent(self.troubles.refusal) {
            ModelAnswer { text: "I would rather not.".to_owned(), finish: Finish::Refused, usage }
        } else if random.percent(self.troubles.truncated) {
            ModelAnswer { text: text.chars().take(3).collect(), finish: Finish::Truncated, usage }
        } else if random.percent(self.troubles.invalid) {
            ModelAnswer { text: "{\"unexpected\": ".to_owned(), finish: Finish::Complete, usage }
        } else {
            ModelAnswer { text, finish: Finish::Complete, usage }
        };
        Reply { after, answer: Ok(answer) }
    }

    fn call_operation(&mut self, call: &OperationCall) -> Reply<Result<Value, Failure>> {
        let mut random = Random::of(self.seed, &call.call.to_string());
        let after = 1_000 + i64::try_from(random.below(200_000)).unwrap_or(0);
        let trouble = self.troubles.put_off(&mut random).or_else(|| self.troubles.trouble(&mut random));
        if let Some(failure) = trouble {
            return Reply { after, answer: Err(failure) };
        }
        // The same for every try: the service answers a repeated key with what it answered first.
        let mut random = Random::of(self.seed, &call.idempotency_key);
        let types = Types::new(&self.types);
        let result = self.results.get(&call.operation).map(|ty| generate(ty, &types, random.draw()));
        Reply { after, answer: Ok(result.unwrap_or(Value::None)) }
    }

    fn rows(&mut self, pull: &Pull) -> Reply<Result<Arc<Vec<Value>>, Failure>> {
        let name = match &pull.source {
            ResolvedSource::File { path, .. } => path.to_string(),
            ResolvedSource::Operation { operation, .. } => operation.clone(),
        };
        let mut random = Random::of(self.seed, &format!("{} {} {}", pull.instance, pull.step, pull.pull));
        let after = 1_000 + i64::try_from(random.below(50_000)).unwrap_or(0);
        // No more often than the source is tried again, or the run would end by chance.
        let failed = self.pulls_failed.entry(format!("{} {}", pull.instance, pull.step)).or_default();
        if *failed < 2 && random.percent(self.troubles.transport) {
            *failed += 1;
            return Reply { after, answer: Err(Failure::unknown(FailureClass::Transport, "the source went away")) };
        }
        Reply { after, answer: Ok(self.sources.get(&name).cloned().unwrap_or_default()) }
    }

    fn decide(&mut self, request: &ApprovalRequest) -> Option<Reply<Decision>> {
        let mut random = Random::of(self.seed, request.step.as_str());
        if request.until.is_some() && random.percent(30) {
            return None;
        }
        let after = 1_000_000 + i64::try_from(random.below(5_000_000)).unwrap_or(0);
        Some(Reply { after, answer: Decision { approved: random.percent(70), by: "ada".to_owned() } })
    }
}
