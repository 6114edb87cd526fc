//! Where log lines go.

use pmflow_host::secrets::redacted;
use std::io::{self, Write};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::{EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Logs go to standard error. `filter`: as `PMFLOW_LOG` (`info,sqlx=error`). Whoever did so before has done it better.
pub fn start_logs(format: LogFormat, filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info,sqlx=error"));
    let layer = tracing_subscriber::fmt::layer().with_writer(Sink::new(io::stderr));
    let layer = match format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    let _ = tracing_subscriber::registry().with(filter).with(layer).with(errors()).try_init();
}

#[cfg(feature = "sentry")]
fn errors<S>() -> Option<impl tracing_subscriber::Layer<S>>
where
    S: tracing::Subscriber + for<'l> tracing_subscriber::registry::LookupSpan<'l>,
{
    crate::sentry::layer()
}

#[cfg(not(feature = "sentry"))]
fn errors() -> Option<tracing_subscriber::layer::Identity> {
    None
}

/// Strikes out secrets where lines leave the process. A line is written in one piece.
#[derive(Clone, Debug)]
struct Sink<W> {
    inner: W,
}

impl<W> Sink<W> {
    fn new(inner: W) -> Sink<W> {
        Sink { inner }
    }
}

impl<'w, W: MakeWriter<'w>> MakeWriter<'w> for Sink<W> {
    type Writer = Sink<W::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        Sink { inner: self.inner.make_writer() }
    }
}

impl<W: Write> Write for Sink<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.inner.write_all(redacted(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_secret_passes_the_sink_in_either_form() {
        pmflow_host::secrets::know("sk-live\"0123456789");
        for format in [LogFormat::Text, LogFormat::Json] {
            let lines = Lines::default();
            let out = lines.clone();
            let layer = tracing_subscriber::fmt::layer().with_writer(Sink::new(move || out.clone()));
            let layer = if format == LogFormat::Json { layer.json().flatten_event(true).boxed() } else { layer.boxed() };
            let subscriber = tracing_subscriber::registry().with(layer);
            tracing::subscriber::with_default(subscriber, || {
                let error = io::Error::other("401 for key sk-live\"0123456789 at https://x?key=sk-live\"0123456789");
                tracing::warn!(%error, key = "sk-live\"0123456789", "refused sk-live\"0123456789");
                tracing::info!(debug = ?Some("sk-live\"0123456789"), "quoted twice");
            });
            let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
            assert!(!text.contains("0123456789") && text.contains("[redacted]"), "{text}");
            if format == LogFormat::Json {
                assert!(text.lines().all(|line| line.starts_with('{') && line.ends_with('}')), "{text}");
            }
        }
    }
}
