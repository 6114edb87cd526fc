//! Errors and panics to Sentry, where `SENTRY_DSN` says so.

use pmflow_host::secrets::{environment, redacted};
use sentry::types::Dsn;
use sentry::{ClientInitGuard, ClientOptions, Envelope, Transport, TransportFactory};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

static CLIENT: OnceLock<ClientInitGuard> = OnceLock::new();

/// Makes events of errors that are logged; none without an address.
pub(crate) fn layer<S>() -> Option<impl tracing_subscriber::Layer<S>>
where
    S: tracing::Subscriber + for<'l> tracing_subscriber::registry::LookupSpan<'l>,
{
    let dsn: Dsn = environment("SENTRY_DSN")?.parse().ok()?;
    let transport = Arc::new(Factory { dsn: dsn.clone() });
    let options =
        ClientOptions { dsn: Some(dsn), transport: Some(transport), send_default_pii: false, ..ClientOptions::default() };
    CLIENT.get_or_init(|| sentry::init(options));
    Some(sentry::integrations::tracing::layer())
}

pub(crate) fn flush() {
    if let Some(client) = CLIENT.get() {
        client.flush(Some(Duration::from_secs(5)));
    }
}

struct Factory {
    dsn: Dsn,
}

/// A thread of its own, so that what a dying process says is still sent.
struct Posting {
    work: Mutex<Sender<Work>>,
}

enum Work {
    Send(Vec<u8>),
    Tell(Sender<()>),
}

impl TransportFactory for Factory {
    fn create_transport_with_options(&self, _: sentry::TransportOptions) -> Arc<dyn Transport> {
        let (work, todo) = channel();
        let dsn = self.dsn.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let (Ok(runtime), client) = (runtime, reqwest::Client::new()) else { return };
            for work in todo {
                match work {
                    Work::Send(body) => {
                        let asked = client.post(dsn.envelope_api_url()).header("x-sentry-auth", dsn.to_auth(None).to_string());
                        // Nobody is left to be told.
                        let _ = runtime.block_on(asked.timeout(Duration::from_secs(10)).body(body).send());
                    }
                    Work::Tell(done) => drop(done.send(())),
                }
            }
        });
        Arc::new(Posting { work: Mutex::new(work) })
    }
}

impl Posting {
    fn add(&self, work: Work) {
        let _ = self.work.lock().unwrap_or_else(PoisonError::into_inner).send(work);
    }
}

impl Transport for Posting {
    fn send_envelope(&self, envelope: Envelope) {
        let mut body = Vec::new();
        if envelope.to_writer(&mut body).is_ok() {
            // Lengths of items are optional where an item ends with its line.
            self.add(Work::Send(redacted(&String::from_utf8_lossy(&body)).into_owned().into_bytes()));
        }
    }

    fn flush(&self, timeout: Duration) -> bool {
        let (done, told) = channel();
        self.add(Work::Tell(done));
        told.recv_timeout(timeout).is_ok()
    }
}
