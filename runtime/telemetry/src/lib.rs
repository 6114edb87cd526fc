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

/// What a process measures. Without an address in the environment nothing is sent; what `/metrics` shows is counted all the same.
#[derive(Debug)]
pub struct Telemetry {
    measures: Measures,
    otlp: Option<Otlp>,
}

impl Telemetry {
    /// As `OTEL_EXPORTER_OTLP_ENDPOINT` and its like say. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// What they say cannot be done; in words.
    pub fn from_environment() -> Result<Telemetry, String> {
        Ok(Telemetry { measures: Measures::new(), otlp: Otlp::from_environment()? })
    }

    /// Whether anything is sent anywhere.
    pub fn is_sent(&self) -> bool {
        self.otlp.is_some()
    }

    /// For Prometheus, in its text format.
    pub fn text(&self) -> String {
        pmflow_host::secrets::redacted(&self.measures.text()).into_owned()
    }

    /// Gauges that are looked up when they are asked for.
    pub fn gauge(&self, name: &'static str, value: f64) {
        self.measures.gauge(name, value);
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
        self.measures.see(seen);
        if let Some(otlp) = &self.otlp {
            otlp.see(seen);
        }
    }
}
