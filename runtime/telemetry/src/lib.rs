//! Logs, traces and metrics of a process, and the only crate that knows where they go. Whatever leaves it has every secret
//! struck out that the process has read ([`pmflow_host::secrets::redacted`]), whatever way it came in.

mod logs;
mod measures;
mod otlp;
mod sending;
#[cfg(feature = "sentry")]
mod sentry;
mod spans;

pub use logs::{LogFormat, start_logs};

use measures::Measures;
use otlp::Otlp;
use pmflow_host::observe::{Observer, Seen};

/// What a process measures.
#[derive(Debug)]
pub struct Telemetry {
    /// Of a process that shows them.
    measures: Option<Measures>,
    otlp: Option<Otlp>,
}

impl Telemetry {
    /// Of a process that answers under `/metrics`; it sends as `OTEL_EXPORTER_OTLP_ENDPOINT` and its like say. Must be called within
    /// a tokio runtime.
    ///
    /// # Errors
    /// What they say cannot be done; in words.
    pub fn shown() -> Result<Telemetry, String> {
        Ok(Telemetry { measures: Some(Measures::new()), otlp: Otlp::from_environment()? })
    }

    /// Of a process that only sends. Without an address in the environment nothing is made ready.
    ///
    /// # Errors
    /// As [`Telemetry::shown`].
    pub fn sent() -> Result<Telemetry, String> {
        Ok(Telemetry { measures: None, otlp: Otlp::from_environment()? })
    }

    /// Whether anything is sent anywhere.
    pub fn is_sent(&self) -> bool {
        self.otlp.is_some()
    }

    /// For Prometheus, in its text format.
    pub fn text(&self) -> String {
        let text = self.measures.as_ref().map(Measures::text).unwrap_or_default();
        pmflow_host::secrets::redacted(&text).into_owned()
    }

    /// A gauge that is looked up when it is asked for.
    pub fn gauge(&self, name: &'static str, value: f64) {
        if let Some(measures) = &self.measures {
            measures.gauge(name, value);
        }
    }

    /// Sends what is left. Blocks, for some seconds where nobody answers.
    pub fn flush(&self) {
        if let Some(otlp) = &self.otlp {
            otlp.flush();
        }
        #[cfg(feature = "sentry")]
        crate::sentry::flush();
    }
}

impl Observer for Telemetry {
    fn see(&self, seen: &Seen<'_>) {
        if let Some(measures) = &self.measures {
            measures.see(seen);
        }
        if let Some(otlp) = &self.otlp {
            otlp.see(seen);
        }
    }
}
