//! The order of work: edits first come, first served; stale requests are turned away; problems are published between.

use crate::protocol::{Fault, Server};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tower_lsp_server::jsonrpc::{Error, Id, Request};

pub struct Incoming {
    pub method: String,
    pub params: Value,
    pub job: Job,
}

pub enum Job {
    Notification,
    Request { id: Id, reply: oneshot::Sender<Result<Value, Error>> },
}

/// Edits that follow each other faster than this are one burst: its first edit is judged at once, its end again.
const QUIET: Duration = Duration::from_millis(12);

/// Sends a notification or a request to the editor.
pub type Tell = Box<dyn FnMut(Request) + Send>;

pub struct Session {
    server: Server,
    tell: Tell,
    queue: VecDeque<Incoming>,
    asked: i64,
    exited: bool,
}

impl Session {
    pub fn new(server: Server, tell: Tell) -> Session {
        Session { server, tell, queue: VecDeque::new(), asked: 0, exited: false }
    }

    /// Takes messages until the editor is gone.
    pub fn work(&mut self, inbox: &Receiver<Incoming>) {
        let mut published: Option<Instant> = None;
        while !self.exited {
            if self.queue.is_empty() && !self.wait(inbox, published) {
                return;
            }
            self.drain(inbox);
            while let Some(next) = self.queue.pop_front() {
                self.one(next, inbox);
                self.drain(inbox);
            }
            let quiet = published.is_none_or(|at| at.elapsed() >= QUIET);
            if self.server.has_stale() && quiet {
                self.publish(inbox);
                published = Some(Instant::now());
            }
        }
    }

    pub fn was_shut_down(&self) -> bool {
        self.server.was_shut_down()
    }

    /// Waits for the next message; while problems wait to be published, only until it is quiet. False: nobody is left.
    fn wait(&mut self, inbox: &Receiver<Incoming>, published: Option<Instant>) -> bool {
        let received = if self.server.has_stale() {
            let left = published.map_or(QUIET, |at| QUIET.saturating_sub(at.elapsed()));
            inbox.recv_timeout(left.max(Duration::from_millis(1)))
        } else {
            inbox.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        match received {
            Ok(incoming) => self.queue.push_back(incoming),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        true
    }

    fn drain(&mut self, inbox: &Receiver<Incoming>) {
        while let Ok(incoming) = inbox.try_recv() {
            match incoming.method.as_str() {
                "$/cancelRequest" => self.cancel(&incoming.params),
                _ => self.queue.push_back(incoming),
            }
        }
    }

    fn cancel(&mut self, params: &Value) {
        let Some(wanted) = params.get("id") else { return };
        let is_wanted = |incoming: &Incoming| match &incoming.job {
            Job::Request { id, .. } => serde_json::to_value(id).ok().as_ref() == Some(wanted),
            Job::Notification => false,
        };
        let Some(position) = self.queue.iter().position(is_wanted) else { return };
        if let Some(Incoming { job: Job::Request { reply, .. }, .. }) = self.queue.remove(position) {
            let _ = reply.send(Err(Error::request_cancelled()));
        }
    }

    fn one(&mut self, incoming: Incoming, inbox: &Receiver<Incoming>) {
        let Incoming { method, params, job } = incoming;
        match job {
            Job::Notification if method == "exit" => self.exited = true,
            Job::Notification if method == "$/cancelRequest" => self.cancel(&params),
            Job::Notification => {
                self.guarded(|server| server.notify(&method, params));
                self.send_messages();
            }
            Job::Request { reply, .. } if self.is_overtaken(&method) => drop(reply.send(Err(stale(&method)))),
            Job::Request { reply, .. } => {
                let result = self.guarded(|server| server.request(&method, params));
                self.drain(inbox);
                let result = match result {
                    _ if self.is_overtaken(&method) => Err(stale(&method)),
                    Some(Ok(value)) => Ok(value),
                    Some(Err(fault)) => Err(fault.error()),
                    None => Err(Error::internal_error()),
                };
                // Who no longer waits is not told.
                let _ = reply.send(result);
                self.send_messages();
            }
        }
    }

    /// Whether an edit waits behind the request: its answer would speak of an old text.
    fn is_overtaken(&self, method: &str) -> bool {
        let about_text = !matches!(method, "initialize" | "shutdown");
        about_text && self.queue.iter().any(|waiting| waiting.method == "textDocument/didChange")
    }

    /// A panic costs one request.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Server) -> T) -> Option<T> {
        let server = &mut self.server;
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(server)));
        if done.is_err() {
            eprintln!("pmflow lsp: a request failed; the next ones go on");
        }
        done.ok()
    }

    /// Publishes what edits made stale, the edited files first; an edit that comes meanwhile goes first.
    fn publish(&mut self, inbox: &Receiver<Incoming>) {
        while self.server.has_stale() {
            self.guarded(Server::publish_next);
            self.send_messages();
            self.drain(inbox);
            if self.queue.iter().any(|waiting| matches!(waiting.job, Job::Request { .. }) || is_edit(&waiting.method)) {
                return;
            }
        }
    }

    fn send_messages(&mut self) {
        for message in self.server.take_messages() {
            let request = match message.expects_answer {
                false => Request::build(message.method).params(message.params).finish(),
                true => {
                    self.asked += 1;
                    Request::build(message.method).params(message.params).id(self.asked).finish()
                }
            };
            (self.tell)(request);
        }
    }
}

fn is_edit(method: &str) -> bool {
    method.starts_with("textDocument/did")
}

/// A pulled diagnostic is asked for again by itself.
fn stale(method: &str) -> Error {
    match method {
        "textDocument/diagnostic" | "workspace/diagnostic" => {
            Fault::with_data(-32802, "the text has changed meanwhile", serde_json::json!({ "retriggerRequest": true })).error()
        }
        _ => Error::content_modified(),
    }
}
