//! The built-in simulated model: offline, the same answer for the same request and seed, tokens counted for real.

mod options;

pub use options::{SimulateOptions, SimulatedOutput};

use crate::request::{Answer, Failed, Request, Response, Stop};
use crate::tokens;
use pmflow_plan::schema::{Types, generate};
use pmflow_plan::{Failure, FailureClass, Type, Usage};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// What a rate-limited call is told to wait.
const RETRY_AFTER_MS: u64 = 100;
/// How often an answer is made up anew when it does not fit under the cap.
const TRIES: u32 = 12;
/// Framing of a message, and of the beginning of an answer, as OpenAI publishes it.
const MESSAGE_TOKENS: u64 = 3;

/// Waits as long as the latency says, then answers or fails as the options say.
pub(crate) async fn send(request: &Request, options: &SimulateOptions) -> Result<Response, Failed> {
    let identity = identity(request, options.seed);
    let mut dice = Dice::new(&[b"call", &identity, request.idempotency_key.as_bytes()]);
    let latency = latency(options, &mut dice);
    // The shortest sleep takes a millisecond.
    if !latency.is_zero() {
        tokio::time::sleep(latency.min(request.timeout)).await;
    }
    if latency > request.timeout {
        return Err(timed_out(request).into());
    }
    match fault(options, &mut dice) {
        Some(Fault::RateLimit) => Err(rate_limited(request).into()),
        Some(Fault::Transport) => Err(broken(request).into()),
        Some(Fault::Timeout) => Err(timed_out(request).into()),
        billed => Ok(answer(request, options, &identity, billed)),
    }
}

/// What may go wrong; the last three are answers, and billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    RateLimit,
    Transport,
    Timeout,
    Refusal,
    Invalid,
    Truncated,
}

fn fault(options: &SimulateOptions, dice: &mut Dice) -> Option<Fault> {
    let shares = [
        (options.rate_limit, Fault::RateLimit),
        (options.transport, Fault::Transport),
        (options.timeout, Fault::Timeout),
        (options.refusal, Fault::Refusal),
        (options.invalid, Fault::Invalid),
        (options.truncated, Fault::Truncated),
    ];
    let mut rest = dice.below(1_000_000);
    for (share, fault) in shares {
        match rest.checked_sub(u64::from(share)) {
            None => return Some(fault),
            Some(left) => rest = left,
        }
    }
    None
}

fn answer(request: &Request, options: &SimulateOptions, identity: &[u8], fault: Option<Fault>) -> Response {
    let encoding = request.model.encoding.as_deref().unwrap_or("o200k_base");
    let cap = request.output_tokens_max;
    let mut text = whole_answer(request, options, identity, encoding);
    let mut stop = Stop::Complete;
    match fault {
        Some(Fault::Refusal) => (text, stop) = ("The simulated model declines to answer this.".to_owned(), Stop::Refused),
        Some(Fault::Invalid) => text = unfit(&request.answer, &text),
        Some(Fault::Truncated) => (text, stop) = (half(&text), Stop::Truncated),
        _ => {}
    }
    let mut written = tokens::count(encoding, &text);
    if written > cap {
        text.truncate(tokens::cut(encoding, &text, cap).len());
        stop = if stop == Stop::Refused { stop } else { Stop::Truncated };
        written = tokens::count(encoding, &text);
    }
    let output = if options.output == SimulatedOutput::Max { cap } else { written };
    let usage = Usage {
        input_tokens: Some(input_tokens(request, encoding)),
        cache_read_tokens: Some(0),
        cache_write_tokens: Some(0),
        output_tokens: Some(output),
        reasoning_tokens: Some(output.saturating_sub(written)),
    };
    let id: String = identity.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Response {
        text,
        usage,
        raw_usage: json!({"simulated": true, "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens, "reasoning_tokens": usage.reasoning_tokens}),
        usage_doubts: Vec::new(),
        stop,
        model: Some("simulated".to_owned()),
        request_id: Some(format!("simulated-{id}")),
        allowances: Vec::new(),
    }
}

/// An answer that fits the type, made up anew until it fits under the cap too; of many, the shortest where the smallest
/// is wanted or none fits.
fn whole_answer(request: &Request, options: &SimulateOptions, identity: &[u8], encoding: &str) -> String {
    let counter = |text: &str| tokens::count(encoding, text);
    let types = Types::new(&request.types).counting(&counter);
    let mut dice = Dice::new(&[b"answer", identity]);
    let mut shortest: Option<(u64, String)> = None;
    for _ in 0..TRIES {
        let text = made_up(request, &types, dice.next());
        let length = tokens::count(encoding, &text);
        if length <= request.output_tokens_max && options.output != SimulatedOutput::Min {
            return text;
        }
        if shortest.as_ref().is_none_or(|(least, _)| length < *least) {
            shortest = Some((length, text));
        }
    }
    shortest.map(|(_, text)| text).unwrap_or_default()
}

/// As the answer's schema has it: what is no record is wrapped.
fn made_up(request: &Request, types: &Types<'_>, seed: u64) -> String {
    let value = generate(&request.answer_type, types, seed);
    match (&request.answer, types.resolve(&request.answer_type)) {
        (Answer::Text, _) => value.to_text(),
        (Answer::Json { .. }, Some(Type::Record(_))) => value.to_json().to_string(),
        (Answer::Json { .. }, _) => json!({ "value": value.to_json() }).to_string(),
    }
}

/// An answer that does not fit: JSON that breaks off among words, or nothing where a text was wanted.
fn unfit(answer: &Answer, text: &str) -> String {
    match answer {
        Answer::Text => String::new(),
        Answer::Json { .. } => format!("Here is the answer: {}", half(text)),
    }
}

fn half(text: &str) -> String {
    text.get(..text.floor_char_boundary(text.len() / 2)).unwrap_or_default().to_owned()
}

/// The texts with their framing, and the answer's schema.
fn input_tokens(request: &Request, encoding: &str) -> u64 {
    let texts = request.system.iter().chain(request.messages.iter().map(|(_, text)| text));
    let framed: u64 = texts.map(|text| tokens::count(encoding, text) + MESSAGE_TOKENS).sum();
    let schema = match &request.answer {
        Answer::Text => 0,
        Answer::Json { schema, .. } => tokens::count(encoding, &schema.text),
    };
    framed + schema + MESSAGE_TOKENS
}

/// What the answer depends on: the seed, the model and everything that it reads.
fn identity(request: &Request, seed: u64) -> [u8; 32] {
    let (seed, system) = (seed.to_le_bytes(), request.system.as_deref().unwrap_or_default());
    let mut parts: Vec<&[u8]> = vec![&seed, request.model.id.as_bytes(), system.as_bytes()];
    parts.extend(request.messages.iter().map(|(_, text)| text.as_bytes()));
    digest(&parts)
}

fn latency(options: &SimulateOptions, dice: &mut Dice) -> Duration {
    let spread = options.latency_max.saturating_sub(options.latency_min);
    let micros = u64::try_from(spread.as_micros()).unwrap_or(u64::MAX - 1);
    options.latency_min + Duration::from_micros(dice.below(micros.saturating_add(1)))
}

fn rate_limited(request: &Request) -> Failure {
    let text = format!("The simulated model limits the rate of `{}` (`rate_limit` of --simulate).", request.model.id);
    Failure::not_billed(FailureClass::RateLimit, text).retry_after_ms(Some(RETRY_AFTER_MS))
}

fn broken(request: &Request) -> Failure {
    Failure::unknown(
        FailureClass::Transport,
        format!("The simulated connection to `{}` broke (`transport` of --simulate).", request.model.id),
    )
}

fn timed_out(request: &Request) -> Failure {
    Failure::unknown(
        FailureClass::Timeout,
        format!("The simulated model did not answer for `{}` in time (`timeout` or `latency` of --simulate).", request.model.id),
    )
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// A reproducible sequence of numbers (SplitMix64).
pub(crate) struct Dice {
    state: u64,
}

impl Dice {
    pub fn new(parts: &[&[u8]]) -> Dice {
        let state = digest(parts).iter().take(8).fold(0, |state: u64, byte| state << 8 | u64::from(*byte));
        Dice { state }
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Zero for a bound of zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    #[cfg(feature = "scripted")]
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        let at = self.below(choices.len() as u64);
        choices.get(usize::try_from(at).ok()?)
    }
}
