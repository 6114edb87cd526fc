//! What one prompt costs: tokens and money of a request, and of a try with all that may be billed in it.

use super::answer::{AnswerSize, answer_size};
use super::catalog::Catalog;
use super::domain::{Cost, Count, Figure};
use super::expectations::ExpectedTokens;
use super::template::{TemplateText, template_text};
use super::tokens::tokenizer;
use pmflow_plan::schema::{Types, json_schema, needs_schema};
use pmflow_plan::{Api, CapFidelity, Model, Money, Plan, Prompt, Rates};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Facts of a prompt that hold wherever it is called.
#[derive(Clone, Debug)]
pub struct PromptFacts {
    pub text: TemplateText,
    pub answer: AnswerSize,
    /// Tokens of one request, everything included; the largest is the one that a last repair sends.
    pub input_tokens: Count,
    pub output_tokens: Count,
    /// How far the constant part alone is beyond its bound for some model, in what that model counts.
    pub constant_over: u64,
    /// Of one try: every model of the chain, each with its repairs.
    pub one_try: Cost,
    /// Requests of one try, at most.
    pub requests_max: u64,
}

/// Bytes per token of ordinary prose; only expected costs use it.
const BYTES_PER_TOKEN: u64 = 4;
/// A larger schema has descriptions and bounds that compress well.
const SCHEMA_BYTES_EXPECTED_MAX: u64 = 4000;
/// Around a message, as was seen with models whose framing is known.
const MESSAGE_TOKENS_EXPECTED: u64 = 5;
/// No tokenizer in use makes fewer tokens of ordinary text; only floors use it.
const BYTES_PER_TOKEN_MAX: u64 = 16;
/// What stands around the schema of an answer that is no record.
const SCHEMA_WRAPPING: &str = r#"{"type":"object","properties":{"answer":},"required":["answer"],"additionalProperties":false}"#;
/// For a server that the catalog does not know.
const FRAMING_UNKNOWN: (u64, u64, u64) = (16, 16, 64);
/// What a model without a schema feature is told about the form of its answer, besides the schema itself.
const SCHEMA_INSTRUCTION_BYTES_MAX: u64 = 256;

/// `known`: bytes that calls give a parameter; `told`: tokens that somebody expects of a request.
pub(super) fn prompt_facts(
    prompt: &Prompt,
    plan: &Plan,
    known: Option<&BTreeMap<String, u64>>,
    told: ExpectedTokens,
) -> PromptFacts {
    let text = template_text(prompt, plan, known);
    let answer = answer_size(&prompt.answer, &plan.types);
    let models: Vec<&Model> = prompt.chain.iter().filter_map(|id| plan.models.get(id)).collect();
    let over = |model: &&Model| tokenizer(model).count(&text.constant).checked_sub(prompt.text_bound(model, 0)?);
    let constant_over = models.iter().filter_map(over).max().unwrap_or(0);
    let input = expecting(input_tokens(prompt, &text, &answer, &models), told.input);
    let output = expecting(output_tokens(prompt, &answer), told.output);
    PromptFacts {
        constant_over,
        one_try: one_try(prompt, plan, input, output),
        requests_max: (prompt.chain.len() as u64).saturating_mul(u64::from(prompt.repair) + 1),
        input_tokens: input,
        output_tokens: output,
        text,
        answer,
    }
}

/// What a request of the prompt holds besides its texts, at most, over all models of its chain.
pub fn overhead_tokens_max(prompt: &Prompt, plan: &Plan, catalog: &Catalog) -> u64 {
    let schema = schema_text(prompt, plan);
    // A system message is added where untrusted text has to be fenced.
    let messages = prompt.messages.len() as u64 + 1;
    let of = |model: &Model| {
        let (request, message, form) = framing(model, catalog);
        let told = if model.structured_output { 0 } else { SCHEMA_INSTRUCTION_BYTES_MAX };
        let schema = match &schema {
            Schema::None => 0,
            Schema::Text(text) => schema_tokens_max(text, model).saturating_add(form).saturating_add(told),
            Schema::Bytes(bytes) => with_order(*bytes, model).saturating_add(form).saturating_add(told),
        };
        let uncounted = catalog.uncounted_tokens(&model.id);
        messages.saturating_mul(message).saturating_add(request).saturating_add(schema).saturating_add(uncounted)
    };
    prompt.chain.iter().filter_map(|id| plan.models.get(id)).map(of).max().unwrap_or(0)
}

enum Schema {
    None,
    /// As it is sent, at most.
    Text(String),
    /// It cannot be written down; so many bytes bound it.
    Bytes(u64),
}

/// A provider writes the schema in a form of its own, which is not documented. Twice the tokens of its JSON are taken to
/// bound it, and its bytes in any case.
fn schema_tokens_max(text: &str, model: &Model) -> u64 {
    let twice = tokenizer(model).count(text).saturating_mul(2).min(text.len() as u64);
    with_order(twice, model)
}

/// Gemini's dialect lists the names of the fields once more, in their order.
fn with_order(tokens: u64, model: &Model) -> u64 {
    if model.api == Api::GeminiGenerate { tokens.saturating_add(tokens / 2) } else { tokens }
}

/// Tokens per request, per message and per schema. A simulated model has those of the model whose name it bears.
fn framing(model: &Model, catalog: &Catalog) -> (u64, u64, u64) {
    let bears = model.wire_name.split_once('/').map(|(provider, _)| provider);
    let facts = catalog.provider(&model.provider).or_else(|| catalog.provider(bears?));
    facts.map_or(FRAMING_UNKNOWN, |facts| {
        let overhead = &facts.overhead;
        (overhead.per_request_tokens, overhead.per_message_tokens, overhead.per_schema_tokens)
    })
}

fn schema_text(prompt: &Prompt, plan: &Plan) -> Schema {
    let types = Types::new(&plan.types);
    if !needs_schema(&prompt.answer, &types) {
        return Schema::None;
    }
    match json_schema(&prompt.answer, &types) {
        Ok(answer) if answer.wrapped => Schema::Text(format!("{}{SCHEMA_WRAPPING}", answer.schema)),
        Ok(answer) => Schema::Text(answer.schema.to_string()),
        Err(_) => Schema::Bytes(answer_size(&prompt.answer, &plan.types).schema_bytes_max),
    }
}

fn input_tokens(prompt: &Prompt, text: &TemplateText, answer: &AnswerSize, models: &[&Model]) -> Count {
    let exact = models.first().copied().map(tokenizer).filter(|tokenizer| tokenizer.exact());
    let counted = |text: &str| match &exact {
        Some(tokenizer) => tokenizer.count(text),
        None => text.len() as u64 / BYTES_PER_TOKEN,
    };
    let overhead = text
        .messages
        .saturating_mul(MESSAGE_TOKENS_EXPECTED)
        .saturating_add(answer.schema_bytes_max.min(SCHEMA_BYTES_EXPECTED_MAX) / BYTES_PER_TOKEN);
    let overhead = overhead.min(prompt.overhead_tokens_max);
    let expected = counted(&text.likely) + text.holes_bytes_expected / BYTES_PER_TOKEN + overhead;
    let expected = expected.min(prompt.input_tokens_max);
    Count {
        least: (text.constant.len() as u64 / BYTES_PER_TOKEN_MAX).min(expected),
        expected_milli: Some(expected.saturating_mul(1000)),
        most: models.iter().map(|model| prompt.request_input_tokens_max(model, prompt.repair.min(1))).max().flatten(),
    }
}

/// The bounds hold, whatever somebody expects.
fn expecting(count: Count, told: Option<u64>) -> Count {
    let Some(told) = told else { return count };
    let expected = count.most.map_or(told, |most| told.min(most));
    Count { least: count.least.min(expected), expected_milli: Some(expected.saturating_mul(1000)), most: count.most }
}

fn output_tokens(prompt: &Prompt, answer: &AnswerSize) -> Count {
    let thought = prompt.thinking_tokens_max.unwrap_or(0) / 2;
    let expected = (answer.bytes_expected / BYTES_PER_TOKEN).max(1).saturating_add(thought).min(prompt.output_tokens_max);
    Count {
        least: (answer.bytes_min / BYTES_PER_TOKEN_MAX).min(expected),
        expected_milli: Some(expected.saturating_mul(1000)),
        most: Some(prompt.output_tokens_max),
    }
}

fn one_try(prompt: &Prompt, plan: &Plan, input: Count, output: Count) -> Cost {
    let expected = prompt.chain.first().and_then(|id| plan.models.get(id)).and_then(|model| {
        let batch = model.price.batch.as_ref().filter(|_| prompt.batch).map(|batch| batch.base);
        let rates = batch.unwrap_or(model.price.base);
        amount(rates.input, input.expected_milli? / 1000, rates.output, output.expected_milli? / 1000)
    });
    let floors = prompt.chain.iter().filter_map(|id| plan.models.get(id)).filter_map(|model| floor(prompt, model, input, output));
    let cached = prompt.cache_ms.is_some();
    Cost {
        floor: if cached { Money::ZERO } else { floors.min().unwrap_or(Money::ZERO) },
        expected: expected.map_or(Figure::Overflow, Figure::Known),
        ceiling: ceiling(prompt, plan),
    }
    .ordered()
}

fn floor(prompt: &Prompt, model: &Model, input: Count, output: Count) -> Option<Money> {
    let cheapest = |rates: &Rates| rates.input.min(rates.cache_read).min(rates.cache_write);
    let batched = if prompt.batch { model.price.reachable_in_batch(0) } else { Vec::new() };
    let all = model.price.reachable(0).into_iter().chain(batched);
    all.filter_map(|rates| amount(cheapest(&rates), input.least, rates.output, output.least)).min()
}

fn ceiling(prompt: &Prompt, plan: &Plan) -> Figure {
    let mut figure = prompt.try_ceiling(&plan.models).map_or(Figure::Overflow, Figure::Known);
    for id in &prompt.chain {
        let symbol: Option<Arc<str>> = match plan.models.get(id).map(|model| model.output_cap) {
            None => Some(format!("price({id})").into()),
            Some(CapFidelity::None) => Some(format!("cap({id})").into()),
            Some(CapFidelity::Hard | CapFidelity::Soft { .. }) => None,
        };
        if let Some(symbol) = symbol {
            let others = if matches!(figure, Figure::Unbounded(_)) { figure } else { Figure::ZERO };
            figure = others.add(&Figure::unbounded(&symbol));
        }
    }
    figure
}

fn amount(input_rate: u64, input: u64, output_rate: u64, output: u64) -> Option<Money> {
    let input = i128::from(input_rate).checked_mul(i128::from(input))?;
    let output = i128::from(output_rate).checked_mul(i128::from(output))?;
    input.checked_add(output).map(Money::from_pico)
}
