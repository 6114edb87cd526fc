//! Workers on one PostgreSQL database: they share what there is, take over from the dead, and leave nothing when told to stop.

use crate::examples::small;
use crate::moderation::Provider;
use crate::process::{Folder, said};
use pmflow_store_postgres::cluster::{Cluster, ClusterOptions, Stop};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::Ordering;

/// A long-running `pmflow` whose log is read line by line; killed when dropped.
pub struct Daemon {
    process: Child,
    log: BufReader<ChildStderr>,
    heard: String,
}

impl Daemon {
    pub fn start(mut command: Command) -> Daemon {
        let mut process = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("pmflow can be started");
        let log = BufReader::new(process.stderr.take().expect("standard error is piped"));
        Daemon { process, log, heard: String::new() }
    }

    pub fn worker(folder: &Folder) -> Daemon {
        Daemon::start(folder.command(&["worker"]))
    }

    /// Reads until a line says so; returns that line.
    pub fn hear(&mut self, word: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.log.read_line(&mut line).expect("the log can be read");
            self.heard.push_str(&line);
            assert!(read > 0, "it ended without `{word}`:\n{}", self.heard);
            if line.contains(word) {
                return line;
            }
        }
    }

    pub fn signal(&self, name: &str) {
        let number = self.process.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &number]).status().expect("`kill` can be started");
        assert!(sent.success());
    }

    /// Waits for its end; returns its exit code and all that it said.
    pub fn ended(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).expect("the log can be read");
        let status = self.process.wait().expect("a child can be waited for");
        (status.code(), std::mem::take(&mut self.heard) + &rest)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended on its own; there is nothing else to do either way.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn fine(folder: &Folder, words: &str) -> String {
    let said = folder.pmflow(words);
    assert_eq!(said.code, Some(0), "{words}: {}", said.err);
    said.out
}

fn outputs(folder: &Folder) -> String {
    fine(folder, "outputs --format jsonl --fields value,tags")
}

pub fn expire_leases(folder: &Folder) {
    folder.execute("UPDATE workflow_executions SET lease_until = lease_since");
}

#[test]
fn execute_what_was_left_to_them() {
    let expected = small("hello");
    fine(&expected, "run hello.pmflow --simulate");
    let folder = small("hello").on_server();
    let id = fine(&folder, "run hello.pmflow --simulate --detach").trim().to_owned();
    assert!(fine(&folder, "runs --format json").contains("\"running\""));
    let mut worker = Daemon::worker(&folder);
    let ended = worker.hear("run ended");
    assert!(ended.contains(&id) && ended.contains("succeeded"), "{ended}");
    // One that is left while it waits is noticed too.
    let second = fine(&folder, "run hello.pmflow --simulate --detach").trim().to_owned();
    assert!(worker.hear("run ended").contains(&second));
    worker.signal("TERM");
    let (code, heard) = worker.ended();
    assert_eq!(code, Some(0), "{heard}");
    assert!(heard.contains("every run was given back"), "{heard}");
    assert_eq!(outputs(&folder), outputs(&expected));
}

#[test]
fn take_over_from_one_that_was_killed_at_any_boundary() {
    let undisturbed = small("hello");
    fine(&undisturbed, "run hello.pmflow --simulate");
    let expected = outputs(&undisturbed);
    let mut killed = 0;
    for boundary in 1.. {
        let folder = small("hello").on_server();
        let id = fine(&folder, "run hello.pmflow --simulate --detach").trim().to_owned();
        let mut command = folder.command(&["worker"]);
        command.env("PMFLOW_FAULT", format!("any:{boundary}"));
        let mut first = Daemon::start(command);
        let mut heard = String::new();
        // Either it is killed, or it gets through.
        while !heard.contains("run ended") && first.log.read_line(&mut heard).expect("the log can be read") > 0 {}
        if heard.contains("run ended") {
            break;
        }
        assert_eq!(first.ended().0, None, "killed, not ended: {heard}");
        killed += 1;
        expire_leases(&folder);
        // A call that may have been sent stays charged: the proven ceiling does not suffice for a second one.
        folder.execute("UPDATE workflow_executions SET limit_pico = 10 * limit_pico");
        // Killed behind its last commit, it leaves nothing to do.
        if fine(&folder, "runs --format json").contains("\"running\"") {
            let mut second = Daemon::worker(&folder);
            let ended = second.hear("run ended");
            assert!(ended.contains(&id) && ended.contains("succeeded"), "{ended}");
        }
        assert_eq!(outputs(&folder), expected, "after boundary {boundary}");
        assert!(fine(&folder, "runs --format json").contains("\"held\": \"0\""));
    }
    assert!(killed >= 4, "killed only {killed} times");
}

/// A run that kills every worker is left alone by the sixth, which tells why; whoever has looked into it resumes it.
#[test]
fn set_a_run_aside_that_five_of_them_died_of() {
    let folder = small("hello").on_server();
    let id = fine(&folder, "run hello.pmflow --simulate --detach").trim().to_owned();
    // Calls that may have been sent stay charged.
    folder.execute("UPDATE workflow_executions SET limit_pico = 100 * limit_pico");
    for _ in 0..5 {
        let mut command = folder.command(&["worker"]);
        // Just before the call is sent.
        command.env("PMFLOW_FAULT", "dispatch:1");
        let (code, heard) = Daemon::start(command).ended();
        assert_eq!(code, None, "killed, not ended: {heard}");
        // The next one finds it dead on this machine, and does not wait for its lease.
    }
    let mut sixth = Daemon::worker(&folder);
    let ended = sixth.hear("run ended");
    assert!(ended.contains(&id) && ended.contains("suspended"), "{ended}");
    sixth.signal("TERM");
    assert_eq!(sixth.ended().0, Some(0));
    let shown = fine(&folder, &format!("show {id}"));
    assert!(shown.contains("5 workers in a row died on this run") && shown.contains("`hello/greeting`"), "{shown}");
    let resumed = folder.pmflow(&format!("run --resume {id}"));
    assert_eq!(resumed.code, Some(0), "{}", resumed.err);
    assert!(fine(&folder, "runs --format json").contains("\"held\": \"0\""));
}

#[test]
fn lose_their_runs_when_they_were_stopped_for_too_long() {
    let folder = small("hello").on_server();
    let id = fine(&folder, "run hello.pmflow --simulate latency=1s --detach").trim().to_owned();
    let mut paused = Daemon::worker(&folder);
    paused.hear("run taken up");
    paused.signal("STOP");
    expire_leases(&folder);
    folder.execute("UPDATE workflow_executions SET limit_pico = 10 * limit_pico");
    let mut second = Daemon::worker(&folder);
    assert!(second.hear("run ended").contains(&id));
    let after = outputs(&folder);
    paused.signal("CONT");
    let told = paused.hear("another process took over");
    assert!(told.contains(&id), "{told}");
    assert_eq!(outputs(&folder), after);
}

#[test]
fn hand_over_when_they_are_told_to_stop() {
    let provider = Provider::start();
    let folder = small("content-moderation").on_server();
    let id = fine(&folder, "run moderation.pmflow --yes --detach").trim().to_owned();
    let worker = |provider: &Provider| Daemon::start(provider.command(&folder, &["worker", "--drain", "30"]));
    let mut first = worker(&provider);
    first.hear("run taken up");
    first.signal("TERM");
    let (code, heard) = first.ended();
    assert_eq!(code, Some(0), "{heard}");
    if !heard.contains("run ended") {
        assert!(heard.contains("run handed over"), "{heard}");
        let runs = fine(&folder, "runs --format json");
        assert!(runs.contains("\"held\": \"0\"") && runs.contains("\"unknown\": \"0\""), "nothing is open: {runs}");
        let _second = worker(&provider);
        // The example asks a person about what is unsure: the run waits, or ends.
        let show = || fine(&folder, &format!("show {id}"));
        while provider.answered.load(Ordering::SeqCst) < 8 {
            std::thread::yield_now();
        }
        assert!(show().contains(&id));
    }
    assert_eq!(provider.answered.load(Ordering::SeqCst), 8, "each of the eight messages was sent once");
}

#[test]
fn serve_is_not_ready_while_its_database_is_away() {
    let cluster = Cluster::start(&ClusterOptions { is_flushed: false, settings: Vec::new() }).expect("a cluster can be started");
    let folder = small("hello");
    let command = |words: &[&str]| {
        let mut command = folder.command(words);
        command.env("DATABASE_URL", cluster.address("postgres"));
        command
    };
    let migrated = said(command(&["migrate"]).output().expect("pmflow can be started"));
    assert_eq!(migrated.code, Some(0), "{}", migrated.err);
    let mut served = Daemon::start(command(&["serve", "--worker", "--listen", "127.0.0.1:0"]));
    let address = listening(&mut served);
    cluster.stop(Stop::Fast).expect("the server can be stopped");
    let away = asked(&address, "/ready");
    assert!(away.starts_with("HTTP/1.1 503") && away.contains("\"database\":false"), "{away}");
    assert!(asked(&address, "/health").starts_with("HTTP/1.1 200"));
    cluster.go().expect("the server can be started");
    let back = asked(&address, "/ready");
    assert!(back.starts_with("HTTP/1.1 200"), "{back}");
    served.signal("TERM");
    assert_eq!(served.ended().0, Some(0));
}

pub fn listening(served: &mut Daemon) -> String {
    let line = served.hear("listening on http://");
    line.trim().rsplit_once("http://").expect("the address is named").1.to_owned()
}

#[test]
fn serve_says_whether_it_is_ready() {
    let folder = small("hello").on_server();
    let mut served = Daemon::start(folder.command(&["serve", "--worker", "--listen", "127.0.0.1:0"]));
    let address = listening(&mut served);
    assert!(asked(&address, "/health").starts_with("HTTP/1.1 200"));
    let ready = asked(&address, "/ready");
    assert!(ready.starts_with("HTTP/1.1 200") && ready.contains("\"database\":true"), "{ready}");
    let id = fine(&folder, "run hello.pmflow --simulate --detach").trim().to_owned();
    assert!(served.hear("run ended").contains(&id));
    served.signal("TERM");
    let (code, heard) = served.ended();
    assert_eq!(code, Some(0), "{heard}");
}

pub fn asked(address: &str, path: &str) -> String {
    let mut stream = std::net::TcpStream::connect(address).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").expect("a request can be sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer can be read");
    answer
}

/// Commands name what is wrong with a server, and leave the password out.
#[test]
fn a_server_that_is_away_is_named() {
    let folder = small("hello");
    let mut command = folder.command(&["run", "hello.pmflow", "--simulate"]);
    let away = said(command.env("DATABASE_URL", "postgres://me:secret@127.0.0.1:1/x").output().expect("pmflow can be started"));
    assert_eq!(away.code, Some(3));
    assert!(away.err.contains("postgres://me@127.0.0.1:1/x cannot be reached"), "{}", away.err);
    assert!(!away.err.contains("secret"), "{}", away.err);
}
