//! The seam between the client and the four protocols: a request body out, an answer read back.

use crate::answer::{Asked, Shape};
use crate::dialect::{Dialect, InOrder};
use crate::failures::Detail;
use crate::request::{Request, Stop};
use crate::usage::Report;
use crate::{anthropic_messages, gemini_generate, openai_chat, openai_responses};
use pmflow_plan::{Api, Failure, FailureClass};
use serde_json::Value;

/// A body read as an answer.
#[derive(Debug, PartialEq)]
pub(crate) struct Reading {
    pub outcome: Outcome,
    pub report: Report,
    pub id: Option<String>,
    pub model: Option<String>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Outcome {
    Answer {
        text: String,
        stop: Stop,
    },
    /// An answer came, of a kind that was not asked for.
    Unusable(String),
    /// An error under a status of success.
    Error(Detail),
    /// JSON that is no answer of this protocol.
    Foreign,
}

/// The body of the request, as bytes.
pub(crate) fn prepare(request: &Request, own_server: bool) -> Result<Vec<u8>, Failure> {
    check(request)?;
    let dialect = match request.model.api {
        Api::AnthropicMessages => Dialect::Anthropic,
        Api::GeminiGenerate => Dialect::Gemini,
        Api::OpenaiChat | Api::OpenaiResponses | Api::Simulated => Dialect::OpenaiStrict,
    };
    let asked = Asked::of(request, dialect);
    let body = match request.model.api {
        Api::OpenaiResponses => openai_responses::body(request, &asked),
        Api::AnthropicMessages => anthropic_messages::body(request, &asked),
        Api::GeminiGenerate => gemini_generate::body(request, &asked),
        Api::OpenaiChat | Api::Simulated => openai_chat::body(request, &asked, own_server),
    };
    serde_json::to_vec(&InOrder(&body)).map_err(|error| {
        Failure::not_sent(
            FailureClass::InvalidInput,
            format!("The request to `{}` could not be written as JSON: {error}.", request.model.id),
        )
    })
}

pub(crate) fn read(api: Api, answer: &Value) -> Reading {
    match api {
        Api::OpenaiResponses => openai_responses::read(answer),
        Api::AnthropicMessages => anthropic_messages::read(answer),
        Api::GeminiGenerate => gemini_generate::read(answer),
        Api::OpenaiChat | Api::Simulated => openai_chat::read(answer),
    }
}

impl Outcome {
    /// The model or its filter declined; the reason as given.
    pub fn refused(reason: impl Into<String>) -> Outcome {
        Outcome::Answer { text: reason.into(), stop: Stop::Refused }
    }
}

/// The temperature as the provider's number, where one may be sent.
pub(crate) fn temperature(request: &Request) -> Option<f64> {
    request.temperature_milli.filter(|_| request.model.temperature).map(|milli| f64::from(milli) / 1000.0)
}

/// The same for OpenAI: a model that reasons takes none beside an effort other than `none`.
pub(crate) fn openai_temperature(request: &Request, effort: Option<&str>) -> Option<f64> {
    temperature(request).filter(|_| effort.is_none_or(|effort| effort == "none"))
}

/// The schema to send, its name, and whether it is enforced.
pub(crate) fn schema_of(asked: &Asked) -> Option<(&Value, &str, bool)> {
    match &asked.shape {
        Shape::Schema { schema, name, strict } => Some((schema, name, *strict)),
        Shape::Text | Shape::Instructed => None,
    }
}

pub(crate) fn put(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(map) = object {
        map.insert(name.to_owned(), value);
    }
}

pub(crate) fn text_at(value: &Value, path: &str) -> Option<String> {
    value.pointer(path).and_then(Value::as_str).map(str::to_owned)
}

fn check(request: &Request) -> Result<(), Failure> {
    let model = &request.model.id;
    let wrong = |text: String| Err(Failure::not_sent(FailureClass::InvalidInput, text));
    if request.messages.is_empty() {
        return wrong(format!("The call of `{model}` has no message."));
    }
    if request.output_tokens_max == 0 {
        return wrong(format!("The call of `{model}` allows no output: raise `max_output`."));
    }
    if request.model.api == Api::OpenaiResponses && request.output_tokens_max < openai_responses::OUTPUT_TOKENS_MIN {
        let least = openai_responses::OUTPUT_TOKENS_MIN;
        return wrong(format!(
            "`{model}` takes no output cap below {least} tokens: raise `max_output` from {}.",
            request.output_tokens_max
        ));
    }
    if request.output_tokens_max > i32::MAX as u64 {
        return wrong(format!(
            "The output cap {} of the call of `{model}` is beyond what a provider takes.",
            request.output_tokens_max
        ));
    }
    Ok(())
}
