//! Traces and metrics over OTLP (HTTP, protobuf), where the standard variables name an address.

use crate::measures::seconds;
use crate::sending::Sending;
use crate::spans::{self, input_tokens, provider_name, text};
use opentelemetry::metrics::{Histogram, MeterProvider as _};
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanProcessor as _};
use pmflow_host::observe::{ModelCallSeen, Seen};
use pmflow_host::secrets::environment;

/// Seconds, as the conventions advise.
const DURATIONS: [f64; 14] = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
/// Tokens, likewise.
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

#[derive(Debug)]
pub(crate) struct Otlp {
    traces: Option<BatchSpanProcessor>,
    metrics: Option<(SdkMeterProvider, Instruments)>,
}

#[derive(Debug)]
struct Instruments {
    token_usage: Histogram<u64>,
    operation_duration: Histogram<f64>,
    run_duration: Histogram<f64>,
}

impl Otlp {
    pub fn from_environment() -> Result<Option<Otlp>, String> {
        let is_set = |of: &str| {
            let named = |name: &str| environment(name).is_some();
            let wanted = environment(&format!("OTEL_{of}_EXPORTER")).is_none_or(|exporter| exporter != "none");
            wanted && (named("OTEL_EXPORTER_OTLP_ENDPOINT") || named(&format!("OTEL_EXPORTER_OTLP_{of}_ENDPOINT")))
        };
        let disabled = environment("OTEL_SDK_DISABLED").is_some_and(|disabled| disabled.eq_ignore_ascii_case("true"));
        let (traces, metrics) = (is_set("TRACES"), is_set("METRICS"));
        if disabled || !(traces || metrics) {
            return Ok(None);
        }
        for header in ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_METRICS_HEADERS"] {
            know_headers(&environment(header).unwrap_or_default());
        }
        if environment("OTEL_EXPORTER_OTLP_PROTOCOL").is_some_and(|protocol| protocol != "http/protobuf") {
            return Err("OTEL_EXPORTER_OTLP_PROTOCOL: pmflow speaks `http/protobuf`, to port 4318 as a rule".to_owned());
        }
        let (sending, resource) = (Sending::new()?, resource());
        let traces = traces.then(|| traces_to(&sending, &resource)).transpose()?;
        let metrics = metrics.then(|| metrics_to(&sending, resource)).transpose()?;
        Ok(Some(Otlp { traces, metrics }))
    }

    pub fn see(&self, seen: &Seen<'_>) {
        if let (Some(traces), Some(span)) = (&self.traces, spans::span(seen)) {
            traces.on_end(span);
        }
        if let Some((_, instruments)) = &self.metrics {
            instruments.see(seen);
        }
    }

    pub fn flush(&self) {
        if let Some(traces) = &self.traces
            && let Err(error) = traces.force_flush()
        {
            tracing::warn!(%error, "traces could not be sent");
        }
        if let Some((metrics, _)) = &self.metrics
            && let Err(error) = metrics.force_flush()
        {
            tracing::warn!(%error, "metrics could not be sent");
        }
    }
}

/// `api-key=…,x-team=…`: what stands behind `=` may be a key.
fn know_headers(headers: &str) {
    let values = headers.split(',').filter_map(|header| header.split_once('='));
    values.for_each(|(_, value)| pmflow_host::secrets::know(value));
}

fn resource() -> Resource {
    let builder = Resource::builder();
    let named = environment("OTEL_SERVICE_NAME").is_some()
        || environment("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|attributes| attributes.contains("service.name="));
    let builder = if named { builder } else { builder.with_service_name("pmflow") };
    builder.with_attribute(text("service.version", env!("CARGO_PKG_VERSION"))).build()
}

fn traces_to(sending: &Sending, resource: &Resource) -> Result<BatchSpanProcessor, String> {
    let exporter = SpanExporter::builder().with_http().with_http_client(sending.clone()).build();
    let exporter = exporter.map_err(|error| format!("traces cannot be sent: {error}"))?;
    let mut traces = BatchSpanProcessor::builder(exporter).build();
    opentelemetry_sdk::trace::SpanProcessor::set_resource(&mut traces, resource);
    Ok(traces)
}

fn metrics_to(sending: &Sending, resource: Resource) -> Result<(SdkMeterProvider, Instruments), String> {
    let exporter = MetricExporter::builder().with_http().with_http_client(sending.clone()).build();
    let exporter = exporter.map_err(|error| format!("metrics cannot be sent: {error}"))?;
    let provider =
        SdkMeterProvider::builder().with_reader(PeriodicReader::builder(exporter).build()).with_resource(resource).build();
    let meter = provider.meter_with_scope(spans::scope());
    let duration = |name: &'static str, description: &'static str| {
        meter.f64_histogram(name).with_unit("s").with_description(description).with_boundaries(DURATIONS.to_vec()).build()
    };
    let token_usage = meter
        .u64_histogram("gen_ai.client.token.usage")
        .with_unit("{token}")
        .with_description("Number of input and output tokens used.")
        .with_boundaries(TOKENS.to_vec())
        .build();
    let instruments = Instruments {
        token_usage,
        operation_duration: duration("gen_ai.client.operation.duration", "GenAI operation duration."),
        run_duration: duration("gen_ai.invoke_agent.duration", "From a run's creation to its end."),
    };
    Ok((provider, instruments))
}

impl Instruments {
    fn see(&self, seen: &Seen<'_>) {
        match seen {
            Seen::ModelCall(call) => self.model_call(call),
            Seen::RunEnded { flow, started_at, end, .. } => {
                let mut attributes = vec![text("gen_ai.operation.name", "invoke_workflow"), text("gen_ai.agent.name", flow)];
                attributes.extend(end.failure.as_ref().map(|failure| text("error.type", failure.class.name())));
                self.run_duration.record(seconds(*started_at, pmflow_host::now()), &attributes);
            }
            Seen::OperationCall(_) | Seen::TurnCame { .. } => {}
        }
    }

    fn model_call(&self, call: &ModelCallSeen<'_>) {
        let mut attributes = vec![
            text("gen_ai.operation.name", "chat"),
            text("gen_ai.provider.name", provider_name(call.provider)),
            text("gen_ai.request.model", call.model),
        ];
        match &call.answer {
            Ok(answer) => {
                attributes.extend(answer.model.map(|model| text("gen_ai.response.model", model)));
                for (kind, tokens) in [("input", input_tokens(answer.usage)), ("output", answer.usage.output_tokens)] {
                    let mut of_kind = attributes.clone();
                    of_kind.push(text("gen_ai.token.type", kind));
                    tokens.into_iter().for_each(|tokens| self.token_usage.record(tokens, &of_kind));
                }
            }
            Err(failure) => attributes.push(text("error.type", failure.class.name())),
        }
        self.operation_duration.record(seconds(call.started_at, call.ended_at), &attributes);
    }
}
