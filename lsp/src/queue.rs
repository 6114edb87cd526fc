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

/// A burst that does not end is judged this often.
const BURST_MAX: Duration = Duration::from_millis(250);

/// Sends a notification or a request to the editor.
pub type Tell = Box<dyn FnMut(Request) + Send>;

pub struct Session {
    server: Server,
    tell: Tell,
    queue: VecDeque<Incoming>,
    /// When the last edit was taken, and when its burst began.
    edited: Option<Instant>,
    burst: Option<Instant>,
    /// When stale problems are published; none: at once.
    due: Option<Instant>,
    asked: i64,
    exited: bool,
}

impl Session {
    pub fn new(server: Server, tell: Tell) -> Session {
        Session { server, tell, queue: VecDeque::new(), edited: None, burst: None, due: None, asked: 0, exited: false }
    }

    /// Takes messages until the editor is gone.
    pub fn work(&mut self, inbox: &Receiver<Incoming>) {
        while !self.exited {
            if self.queue.is_empty() && !self.wait(inbox) {
                return;
            }
            self.drain(inbox);
            while let Some(next) = self.queue.pop_front() {
                self.one(next, inbox);
                self.drain(inbox);
            }
            if self.server.has_stale() && self.until_due().is_zero() {
                self.publish(inbox);
            }
        }
    }

    pub fn was_shut_down(&self) -> bool {
        self.server.was_shut_down()
    }

    /// Waits for the next message; while problems wait to be published, only until they are due. False: nobody is left.
    fn wait(&mut self, inbox: &Receiver<Incoming>) -> bool {
        let received = match self.server.has_stale() {
            true => inbox.recv_timeout(self.until_due()),
            false => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match received {
            Ok(incoming) => self.queue.push_back(incoming),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        true
    }

    fn until_due(&self) -> Duration {
        self.due.map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now()))
    }

    /// An edit after a silence is judged at once; one of a burst when the burst is over.
    fn edit_taken(&mut self) {
        let now = Instant::now();
        let goes_on = self.edited.is_some_and(|before| now.duration_since(before) < QUIET);
        self.edited = Some(now);
        let burst = *self.burst.get_or_insert(now);
        self.due = goes_on.then(|| (now + QUIET).min(burst + BURST_MAX));
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
                if method == "textDocument/didChange" {
                    self.edit_taken();
                }
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
            self.server.clean_up();
            self.drain(inbox);
            if self.queue.iter().any(|waiting| matches!(waiting.job, Job::Request { .. }) || is_edit(&waiting.method)) {
                return;
            }
        }
        self.burst = None;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Host;
    use serde_json::json;
    use std::sync::mpsc::{Sender, channel};

    fn notification(method: &str, params: Value) -> Incoming {
        Incoming { method: method.to_owned(), params, job: Job::Notification }
    }

    fn request(method: &str, params: Value) -> (Incoming, oneshot::Receiver<Result<Value, Error>>) {
        let (reply, answer) = oneshot::channel();
        (Incoming { method: method.to_owned(), params, job: Job::Request { id: Id::Number(1), reply } }, answer)
    }

    fn edit(version: i32) -> Incoming {
        let text = format!("flow f(x: int) {{\n  output x + {version}\n}}\n");
        let document = json!({ "uri": "untitled:a", "version": version });
        notification("textDocument/didChange", json!({ "textDocument": document, "contentChanges": [{ "text": text }] }))
    }

    /// Takes everything that waits, until the problems of `last` are published; the versions that were published.
    fn published(inbox: &Receiver<Incoming>, jobs: Sender<Incoming>, last: i32) -> Vec<i64> {
        let (said, heard) = channel();
        let tell = move |told: Request| {
            let version = told.params().and_then(|params| params.get("version")).and_then(Value::as_i64).unwrap_or(-1);
            said.send(version).unwrap();
            if version == i64::from(last) {
                jobs.send(notification("exit", Value::Null)).unwrap();
            }
        };
        let mut session = Session::new(Server::new(Host::default(), 0), Box::new(tell));
        session.work(inbox);
        heard.try_iter().collect()
    }

    #[test]
    fn a_burst_is_published_once_and_a_request_behind_it_goes_first() {
        let (jobs, inbox) = channel();
        jobs.send(request("initialize", json!({ "capabilities": {} })).0).unwrap();
        let opened = json!({ "textDocument": { "uri": "untitled:a", "languageId": "pmflow", "version": 1, "text": "" } });
        jobs.send(notification("textDocument/didOpen", opened)).unwrap();
        (2..22).for_each(|version| jobs.send(edit(version)).unwrap());
        let asked = json!({ "textDocument": { "uri": "untitled:a" }, "position": { "line": 0, "character": 7 } });
        let (hover, mut answer) = request("textDocument/hover", asked);
        jobs.send(hover).unwrap();
        assert_eq!(published(&inbox, jobs, 21), [21]);
        let shown = answer.try_recv().unwrap().unwrap();
        assert!(shown.to_string().contains("x: int"), "{shown}");
    }

    #[test]
    fn a_request_that_an_edit_overtook_is_refused() {
        let (jobs, inbox) = channel();
        jobs.send(request("initialize", json!({ "capabilities": {} })).0).unwrap();
        jobs.send(edit(1)).unwrap();
        let (symbols, mut answer) = request("textDocument/documentSymbol", json!({ "textDocument": { "uri": "untitled:a" } }));
        jobs.send(symbols).unwrap();
        jobs.send(edit(2)).unwrap();
        assert_eq!(published(&inbox, jobs, 2), [2]);
        assert_eq!(answer.try_recv().unwrap().unwrap_err().code.code(), -32801);
    }
}
