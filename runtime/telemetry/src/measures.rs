//! What `/metrics` shows.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram, with_local_recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};
use pmflow_engine::Time;
use pmflow_host::observe::{ModelCallSeen, Seen};

/// Seconds.
const DURATIONS: [f64; 14] = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];

pub(crate) struct Measures {
    recorder: PrometheusRecorder,
}

impl std::fmt::Debug for Measures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Measures").finish_non_exhaustive()
    }
}

impl Measures {
    pub fn new() -> Measures {
        let builder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &DURATIONS);
        let recorder = builder.expect("the buckets are not empty").build_recorder();
        with_local_recorder(&recorder, describe);
        Measures { recorder }
    }

    pub fn text(&self) -> String {
        let handle = self.recorder.handle();
        handle.run_upkeep();
        handle.render()
    }

    pub fn gauge(&self, name: &'static str, value: f64) {
        with_local_recorder(&self.recorder, || gauge!(name).set(value));
    }

    pub fn see(&self, seen: &Seen<'_>) {
        with_local_recorder(&self.recorder, || record(seen));
    }
}

fn describe() {
    describe_counter!("pmflow_runs_total", "Runs that ended, by how.");
    describe_histogram!("pmflow_run_duration_seconds", Unit::Seconds, "From a run's creation to its end.");
    describe_counter!("pmflow_cost_picodollars_total", "What ended runs have cost: settled, and unknown until it is reconciled.");
    describe_counter!("pmflow_model_calls_total", "Requests to models, by what came of them.");
    describe_histogram!("pmflow_model_call_duration_seconds", Unit::Seconds, "Of a request to a model.");
    describe_counter!("pmflow_tokens_total", "Tokens that models reported.");
    describe_counter!("pmflow_operation_calls_total", "Calls of connectors' operations, by what came of them.");
    describe_histogram!("pmflow_turn_wait_seconds", Unit::Seconds, "How long calls waited for their turn under a rate limit.");
    describe_gauge!("pmflow_runs_live", "Runs that this process executes.");
}

fn record(seen: &Seen<'_>) {
    match seen {
        Seen::ModelCall(call) => model_call(call),
        Seen::OperationCall(call) => {
            let outcome = call.failure.map_or("answered", |failure| failure.class.name());
            counter!("pmflow_operation_calls_total", "operation" => call.operation.to_owned(), "outcome" => outcome).increment(1);
        }
        Seen::TurnCame { provider, model, waited } => {
            let labels = [("provider", (*provider).to_owned()), ("model", (*model).to_owned())];
            histogram!("pmflow_turn_wait_seconds", &labels).record(waited.as_secs_f64());
        }
        Seen::RunEnded { flow, started_at, end, .. } => {
            counter!("pmflow_runs_total", "flow" => (*flow).to_owned(), "status" => end.status.name()).increment(1);
            let duration = seconds(*started_at, pmflow_host::now());
            histogram!("pmflow_run_duration_seconds", "flow" => (*flow).to_owned()).record(duration);
            for (kind, amount) in [("settled", end.account.settled), ("unknown", end.account.unknown)] {
                let amount = u64::try_from(amount.pico()).unwrap_or(0);
                counter!("pmflow_cost_picodollars_total", "flow" => (*flow).to_owned(), "kind" => kind).increment(amount);
            }
        }
    }
}

fn model_call(call: &ModelCallSeen<'_>) {
    let labels = [("provider", call.provider.to_owned()), ("model", call.model.to_owned())];
    let outcome = call.answer.as_ref().map_or_else(|failure| failure.class.name(), |_| "answered");
    let with_outcome = [labels[0].clone(), labels[1].clone(), ("outcome", outcome.to_owned())];
    counter!("pmflow_model_calls_total", &with_outcome).increment(1);
    histogram!("pmflow_model_call_duration_seconds", &labels).record(seconds(call.started_at, call.ended_at));
    if let Ok(answer) = &call.answer {
        let cached = answer.usage.cache_read_tokens.unwrap_or(0).saturating_add(answer.usage.cache_write_tokens.unwrap_or(0));
        let input = answer.usage.input_tokens.unwrap_or(0).saturating_add(cached);
        for (kind, tokens) in [("input", input), ("output", answer.usage.output_tokens.unwrap_or(0))] {
            let of_kind = [labels[0].clone(), labels[1].clone(), ("type", kind.to_owned())];
            counter!("pmflow_tokens_total", &of_kind).increment(tokens);
        }
    }
}

/// Between two times.
pub(crate) fn seconds(from: Time, until: Time) -> f64 {
    until.saturating_sub(from).max(0) as f64 / 1e6
}
