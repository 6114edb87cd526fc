//! The exact texts of a request, counted before they are sent: over the bound they are refused, or shortened as the prompt
//! declares.

use crate::tokens;
use pmflow_engine::{Message, ModelCall, prompts};
use pmflow_plan::eval::Context;
use pmflow_plan::failure::{Billing, Failure};
use pmflow_plan::value::Record;
use pmflow_plan::{FailureClass, Model, Overflow, Plan, Prompt, Role, Value};
use std::sync::Arc;

/// What is sent.
#[derive(Debug)]
pub(crate) struct Texts {
    pub system: Option<Arc<str>>,
    pub messages: Vec<Message>,
}

impl Texts {
    fn count(&self, model: &Model) -> u64 {
        self.all().map(|text| tokens::bound(model, text)).sum()
    }

    /// Within the bound by its bytes alone: then nothing has to be counted, and no vocabulary to be loaded.
    fn surely_fits(&self, allowed: u64) -> bool {
        self.all().map(tokens::bytes).sum::<u64>() <= allowed
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        self.system.iter().map(|text| &**text).chain(self.messages.iter().map(|message| &*message.text))
    }
}

/// The call's texts, if they are within its bound or can be made so.
pub(crate) fn fit(plan: &Plan, model: &Model, prompt: &Prompt, call: &ModelCall) -> Result<Texts, Failure> {
    let allowed = call.input_tokens_max.saturating_sub(prompt.overhead_tokens_max);
    let whole = Texts { system: call.system.clone(), messages: call.messages.clone() };
    if whole.surely_fits(allowed) {
        return Ok(whole);
    }
    let counted = whole.count(model);
    if counted <= allowed {
        return Ok(whole);
    }
    match &prompt.on_overflow {
        Overflow::Reject => Err(too_long(model, prompt, call, counted, allowed)),
        Overflow::Truncate { parameter } => shortened(plan, model, prompt, call, parameter, allowed),
    }
}

/// The longest beginning of the parameter with which everything fits, found by halving.
fn shortened(
    plan: &Plan,
    model: &Model,
    prompt: &Prompt,
    call: &ModelCall,
    parameter: &str,
    allowed: u64,
) -> Result<Texts, Failure> {
    let Some(Value::Text(text)) = call.arguments.get(parameter) else {
        let counted = Texts { system: call.system.clone(), messages: call.messages.clone() }.count(model);
        return Err(too_long(model, prompt, call, counted, allowed));
    };
    let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let (mut fits, mut too_many) = (None, ends.len());
    let (mut low, mut high) = (0, ends.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let beginning = ends.get(middle).and_then(|end| text.get(..*end)).unwrap_or("");
        let texts = rendered(plan, prompt, call, parameter, beginning)?;
        if texts.count(model) <= allowed {
            fits = Some(texts);
            low = middle + 1;
        } else {
            too_many = middle;
            high = middle;
        }
    }
    match fits {
        Some(texts) => {
            let (name, total) = (&prompt.name, ends.len());
            let kept = too_many.saturating_sub(1);
            tracing::warn!("`{parameter}` of `{name}` was shortened from {total} to {kept} characters to fit `max_input`");
            Ok(texts)
        }
        None => {
            let counted = rendered(plan, prompt, call, parameter, "")?.count(model);
            Err(too_long(model, prompt, call, counted, allowed))
        }
    }
}

/// The texts with another value of the parameter; what a repair appended stays.
fn rendered(plan: &Plan, prompt: &Prompt, call: &ModelCall, parameter: &str, value: &str) -> Result<Texts, Failure> {
    let fields = call.arguments.fields.iter().map(|(name, old)| {
        let value = if &**name == parameter { Value::text(value) } else { old.clone() };
        (name.clone(), value)
    });
    let arguments = Record { fields: fields.collect() };
    let rendered = prompts::render(&Context::of(plan), prompt, &arguments, call.now)?;
    let appended = call.messages.iter().skip(rendered.messages.len()).cloned();
    let messages = rendered.messages.iter().cloned().chain(appended).collect();
    Ok(Texts { system: rendered.system, messages })
}

fn too_long(model: &Model, prompt: &Prompt, call: &ModelCall, counted: u64, allowed: u64) -> Failure {
    let unit = match (&model.encoding, model.calibration_milli) {
        (Some(_), _) => "tokens",
        (None, Some(_)) => "tokens (at most: its tokenizer is not public)",
        (None, None) => "bytes (its tokenizer is not public, so bytes are counted)",
    };
    let repaired = call.messages.iter().skip(prompt.messages.len()).any(|message| message.role == Role::Assistant);
    let with = if repaired { " with the answer that is asked to be mended" } else { "" };
    let mend = match &prompt.on_overflow {
        Overflow::Reject => "Raise `max_input`, shorten what goes in, or set `on_overflow: truncate PARAMETER`",
        Overflow::Truncate { .. } => {
            "It does not fit even with nothing in the parameter that may be shortened: raise `max_input`"
        }
    };
    let message =
        format!("the text for `{}`{with} has {counted} {unit}, and {allowed} are allowed: nothing was sent. {mend}", prompt.name);
    Failure::new(FailureClass::InvalidInput, Billing::NotSent, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pmflow_engine::{CallId, Path};
    use pmflow_plan::{Api, CapFidelity, Expr, Money, Parameter, Piece, Price, Type};

    fn plan() -> Plan {
        let text = r#"{"format":1,"flow":"f","flows":{},"functions":{},"types":{},"models":{},"prompts":{},"operations":{},"connectors":{},"catalog":""}"#;
        serde_json::from_str(text).expect("an empty plan can be read")
    }

    fn model() -> Model {
        Model {
            id: "a/b".into(),
            provider: "a".into(),
            wire_name: "b".into(),
            api: Api::Simulated,
            base_url: None,
            price: Price { base: Default::default(), tiers: vec![], changes: vec![], batch: None },
            context_tokens_max: 1000,
            input_tokens_max: 1000,
            output_tokens_max: 100,
            output_cap: CapFidelity::Hard,
            encoding: None,
            calibration_milli: None,
            structured_output: true,
            temperature: true,
        }
    }

    fn prompt(on_overflow: Overflow) -> Prompt {
        let hole = Piece::Hole { value: Expr::Var("note".into()), untrusted: false };
        let pieces = vec![Piece::Text("Read: ".into()), hole];
        Prompt {
            name: "read".into(),
            parameters: vec![Parameter { name: "note".into(), ty: Type::text(), default: None }],
            answer: Type::text(),
            chain: vec!["a/b".into()],
            input_tokens_max: 16,
            overhead_tokens_max: 0,
            on_overflow,
            output_tokens_max: 10,
            output_tokens_min: None,
            thinking_tokens_max: None,
            temperature_milli: None,
            cache_ms: None,
            repair: 0,
            batch: false,
            system: None,
            messages: vec![pmflow_plan::Message { role: Role::User, text: Expr::Template(pieces) }],
        }
    }

    fn call(prompt: &Prompt, note: &str) -> ModelCall {
        let arguments = Record { fields: vec![("note".into(), Value::text(note))] };
        let rendered = prompts::render(&Context::of(&plan()), prompt, &arguments, 0).expect("the prompt can be rendered");
        let root = Path::root("f");
        ModelCall {
            call: CallId { instance: root.clone(), step: root.step("read"), attempt: 1 },
            prompt: "read".into(),
            model: "a/b".into(),
            system: rendered.system,
            messages: rendered.messages,
            arguments: Arc::new(arguments),
            now: 0,
            answer: Type::text(),
            input_tokens_max: 16,
            output_tokens_max: 10,
            thinking_tokens_max: None,
            temperature_milli: None,
            timeout_ms: 1000,
            idempotency_key: "k".into(),
            hold: Money::ZERO,
        }
    }

    fn sent(on_overflow: Overflow, note: &str) -> Result<String, Failure> {
        let prompt = prompt(on_overflow);
        let texts = fit(&plan(), &model(), &prompt, &call(&prompt, note))?;
        Ok(texts.messages.iter().map(|message| &*message.text).collect())
    }

    #[test]
    fn a_text_within_the_bound_is_sent_as_it_is() {
        assert_eq!(sent(Overflow::Reject, "0123456789").as_deref(), Ok("Read: 0123456789"));
    }

    #[test]
    fn a_longer_one_is_refused_before_anything_is_sent() {
        let failure = sent(Overflow::Reject, "0123456789x").expect_err("seventeen bytes do not fit into sixteen");
        assert_eq!((failure.class, failure.billing), (FailureClass::InvalidInput, Billing::NotSent));
        assert!(failure.message.contains("has 17 bytes"), "{}", failure.message);
    }

    #[test]
    fn or_cut_to_the_longest_beginning_that_fits() {
        let truncate = || Overflow::Truncate { parameter: "note".into() };
        assert_eq!(sent(truncate(), "0123456789xyz").as_deref(), Ok("Read: 0123456789"));
        assert_eq!(sent(truncate(), "äöüäöüäöü").as_deref(), Ok("Read: äöüäö"), "never within a character");
    }
}
