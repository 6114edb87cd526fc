//! Runs and calls as spans, named as OpenTelemetry's conventions for generative AI name them (v0.1.0 of their own repository).

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use pmflow_engine::{Finish, Time};
use pmflow_host::observe::{ModelCallSeen, OperationCallSeen, Seen};
use pmflow_host::secrets::redacted;
use pmflow_plan::failure::Failure;
use sha2::{Digest as _, Sha256};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A run is one trace, whoever executes it: its id, and that of its span, are made from the run's id.
pub(crate) fn span(seen: &Seen<'_>) -> Option<SpanData> {
    match seen {
        Seen::ModelCall(call) => Some(model_call(call)),
        Seen::OperationCall(call) => Some(operation_call(call)),
        Seen::RunEnded { run, flow, started_at, end } => {
            let mut attributes = vec![
                text("gen_ai.operation.name", "invoke_workflow"),
                text("gen_ai.agent.name", flow),
                text("pmflow.run", run),
                text("pmflow.status", end.status.name()),
                text("pmflow.cost.settled", &end.account.settled.to_string()),
                number("pmflow.model_calls", end.counters.model_calls),
            ];
            let status = status(end.failure.as_ref(), &mut attributes);
            let name = format!("invoke_workflow {flow}");
            let (parent, own) = (SpanId::INVALID, run_span(run));
            Some(made(run, parent, own, SpanKind::Internal, name, (*started_at, pmflow_host::now()), attributes, status))
        }
        Seen::TurnCame { .. } => None,
    }
}

fn model_call(call: &ModelCallSeen<'_>) -> SpanData {
    let mut attributes = vec![
        text("gen_ai.operation.name", "chat"),
        text("gen_ai.provider.name", provider_name(call.provider)),
        text("gen_ai.request.model", call.model),
        number("gen_ai.request.max_tokens", call.output_tokens_max),
        text("gen_ai.agent.name", call.flow),
        text("pmflow.run", call.run),
        text("pmflow.prompt", call.prompt),
        number("pmflow.attempt", u64::from(call.attempt)),
    ];
    if let Some(temperature) = call.temperature_milli {
        attributes.push(KeyValue::new("gen_ai.request.temperature", f64::from(temperature) / 1000.0));
    }
    if let Ok(answer) = &call.answer {
        attributes.extend(answer.model.map(|model| text("gen_ai.response.model", model)));
        attributes.extend(answer.id.map(|id| text("gen_ai.response.id", id)));
        let finish: StringValue = finish_reason(answer.finish).into();
        attributes.push(KeyValue::new("gen_ai.response.finish_reasons", Value::Array(vec![finish].into())));
        let usage = answer.usage;
        let counts = [
            ("gen_ai.usage.input_tokens", input_tokens(usage)),
            ("gen_ai.usage.output_tokens", usage.output_tokens),
            ("gen_ai.usage.cache_read.input_tokens", usage.cache_read_tokens),
            ("gen_ai.usage.cache_creation.input_tokens", usage.cache_write_tokens),
        ];
        attributes.extend(counts.into_iter().filter_map(|(name, count)| Some(number(name, count?))));
    }
    let status = status(call.answer.as_ref().err().copied(), &mut attributes);
    let name = format!("chat {}", call.model);
    let times = (call.started_at, call.ended_at);
    made(call.run, run_span(call.run), SpanId::INVALID, SpanKind::Client, name, times, attributes, status)
}

fn operation_call(call: &OperationCallSeen<'_>) -> SpanData {
    let mut attributes = vec![
        text("gen_ai.operation.name", "execute_tool"),
        text("gen_ai.tool.name", call.operation),
        text("gen_ai.agent.name", call.flow),
        text("pmflow.run", call.run),
    ];
    let status = status(call.failure, &mut attributes);
    let name = format!("execute_tool {}", call.operation);
    let times = (call.started_at, call.ended_at);
    made(call.run, run_span(call.run), SpanId::INVALID, SpanKind::Client, name, times, attributes, status)
}

/// All of the input, as the conventions count it.
pub(crate) fn input_tokens(usage: &pmflow_plan::Usage) -> Option<u64> {
    let cached = [usage.cache_read_tokens, usage.cache_write_tokens].into_iter().flatten().sum::<u64>();
    Some(usage.input_tokens?.saturating_add(cached))
}

pub(crate) fn provider_name(provider: &str) -> &str {
    match provider {
        "google" | "gemini" => "gcp.gemini",
        "mistral" => "mistral_ai",
        "xai" => "x_ai",
        other => other,
    }
}

fn finish_reason(finish: &Finish) -> &'static str {
    match finish {
        Finish::Complete => "stop",
        Finish::Truncated => "length",
        Finish::Refused => "content_filter",
    }
}

/// What a failure says may hold content: only its class is told.
fn status(failure: Option<&Failure>, attributes: &mut Vec<KeyValue>) -> Status {
    match failure {
        None => Status::Unset,
        Some(failure) => {
            attributes.push(text("error.type", failure.class.name()));
            Status::error(failure.class.name())
        }
    }
}

pub(crate) fn text(name: &'static str, value: &str) -> KeyValue {
    KeyValue::new(name, redacted(value).into_owned())
}

fn number(name: &'static str, value: u64) -> KeyValue {
    KeyValue::new(name, i64::try_from(value).unwrap_or(i64::MAX))
}

#[allow(clippy::too_many_arguments, reason = "the parts of a span, put together in one place")]
fn made(
    run: &str,
    parent: SpanId,
    own: SpanId,
    kind: SpanKind,
    name: String,
    (start, end): (Time, Time),
    attributes: Vec<KeyValue>,
    status: Status,
) -> SpanData {
    let digest = Sha256::digest(run);
    let trace = TraceId::from_bytes(first(&digest));
    let own = if own == SpanId::INVALID { random_span() } else { own };
    SpanData {
        span_context: SpanContext::new(trace, own, TraceFlags::SAMPLED, false, TraceState::default()),
        parent_span_id: parent,
        parent_span_is_remote: false,
        span_kind: kind,
        name: redacted(&name).into_owned().into(),
        start_time: time(start),
        end_time: time(end.max(start)),
        attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status,
        instrumentation_scope: scope(),
    }
}

pub(crate) fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("pmflow").with_version(env!("CARGO_PKG_VERSION")).build()
}

fn run_span(run: &str) -> SpanId {
    SpanId::from_bytes(first(&Sha256::digest(format!("span of {run}"))))
}

fn random_span() -> SpanId {
    SpanId::from_bytes(first(uuid::Uuid::new_v4().as_bytes()))
}

fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut taken = [0; N];
    taken.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    taken
}

fn time(at: Time) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(u64::try_from(at).unwrap_or(0))
}
