//! The language server, `pmflow lsp`.
//!
//! ```text
//! stdin ─► service ─► queue ─► session (one thread: documents, checks, features) ─► answers, diagnostics ─► stdout
//! ```
//! Messages are taken in the order in which they came. A request that an edit overtook is answered "content modified"
//! instead of from an old text. The server opens regular files only, never a socket, and starts nothing.

mod actions;
mod diagnostics;
mod features;
mod positions;
mod protocol;
mod queue;
mod service;
mod syntax;
mod words;
mod workspace;

pub use protocol::{Fault, Message, Server};
pub use workspace::{Host, Project, PromptCalls};

use futures::channel::mpsc as channel;
use pmflow_compiler::cost::tokens::Encoding;
use service::{Inlet, Outlet};
use std::sync::mpsc;

/// Checked trees are walked by recursion; their depth is limited, and this is enough for the limit in a debug build.
const STACK_BYTES: usize = 64 << 20;

/// Serves one editor over standard input and output until it says `exit`. True: it said `shutdown` before.
pub async fn serve(host: Host) -> bool {
    // The tables that count tokens take longer to load than any answer may.
    std::thread::spawn(|| Encoding::O200kBase.load());
    let (jobs, inbox) = mpsc::channel();
    let (outgoing, requests) = channel::unbounded();
    let tell = Box::new(move |request| drop(outgoing.unbounded_send(request)));
    let session = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
        let mut session = queue::Session::new(Server::new(host, today()), tell);
        session.work(&inbox);
        session.was_shut_down()
    });
    let Ok(session) = session else { return false };
    let (stdin, stdout) = (tokio::io::stdin(), tokio::io::stdout());
    let server = tower_lsp_server::Server::new(stdin, stdout, Outlet { requests }).concurrency_level(service::WAITING_MAX);
    server.serve(Inlet { jobs }).await;
    session.join().unwrap_or(false)
}

/// Days since 1970-01-01, UTC.
fn today() -> i32 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.ok().and_then(|since| i32::try_from(since.as_secs() / 86_400).ok()).unwrap_or(i32::MAX)
}
