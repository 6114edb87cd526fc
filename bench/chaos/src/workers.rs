//! Worker processes: this program again, each of which is replaced when it dies.

use crate::{Arguments, options};
use pmflow_host::{Fault, Host, Worker, WorkerOptions};
use pmflow_store_postgres::PostgresStore;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// The part that is killed.
pub async fn work(address: &str, arguments: &Arguments) -> Result<(), String> {
    tracing_subscriber::fmt().with_env_filter("error").with_writer(std::io::stderr).init();
    let mut terminate =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(|error| error.to_string())?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        terminate.recv().await;
        stop.send_replace(true);
        // Held until the process ends.
        std::future::pending::<()>().await;
    });
    let store = loop {
        match PostgresStore::open(options(address, arguments)?).await {
            Ok(store) => break store,
            // The server is away just now.
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    };
    let host = Arc::new(Host::new(Arc::new(store), Fault::none()));
    Worker::new(host, WorkerOptions { runs_max: 128, drain: Duration::from_secs(30) }).work(stopped).await;
    Ok(())
}

pub struct Workers {
    arguments: Arguments,
    address: String,
    processes: Mutex<Vec<Child>>,
}

impl Workers {
    pub fn start(arguments: &Arguments, address: &str) -> Result<Workers, String> {
        let workers = Workers { arguments: arguments.clone(), address: address.to_owned(), processes: Mutex::default() };
        for _ in 0..arguments.workers {
            let process = workers.spawn()?;
            workers.processes().push(process);
        }
        Ok(workers)
    }

    fn spawn(&self) -> Result<Child, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.args(["--work-on", &self.address, "--lease", &self.arguments.lease.to_string()]).env("OPENAI_API_KEY", "chaos");
        command.spawn().map_err(|error| format!("a worker cannot be started: {error}"))
    }

    /// Of its process.
    pub fn number(&self, which: usize) -> u32 {
        self.processes().get(which).map_or(0, Child::id)
    }

    /// `kill -9`, and a new one in its place.
    pub fn kill(&self, which: usize) -> Result<(), String> {
        let replacement = self.spawn()?;
        let mut processes = self.processes();
        let Some(process) = processes.get_mut(which) else { return Err("there is no such worker".to_owned()) };
        let mut killed = std::mem::replace(process, replacement);
        drop(processes);
        killed.kill().and_then(|()| killed.wait()).map(|_| ()).map_err(|error| error.to_string())
    }

    /// `kill -9`, and nobody in its place.
    pub fn kill_alone(&self, which: usize) -> Result<(), String> {
        let mut processes = self.processes();
        let Some(process) = processes.get_mut(which) else { return Err("there is no such worker".to_owned()) };
        process.kill().and_then(|()| process.wait()).map(|_| ()).map_err(|error| error.to_string())
    }

    pub fn replace(&self, which: usize) -> Result<(), String> {
        let replacement = self.spawn()?;
        if let Some(process) = self.processes().get_mut(which) {
            *process = replacement;
        }
        Ok(())
    }

    pub fn signal(&self, which: usize, name: &str) {
        let number = self.processes().get(which).map(|process| process.id().to_string());
        if let Some(number) = number {
            // One that was killed meanwhile hears nothing.
            let _ = Command::new("kill").args([&format!("-{name}"), &number]).status();
        }
    }

    /// Drains them all; a worker that does not end well is a finding.
    pub fn stop(&self) -> Result<(), String> {
        for which in 0..self.arguments.workers {
            self.signal(which, "TERM");
        }
        for mut process in std::mem::take(&mut *self.processes()) {
            let status = process.wait().map_err(|error| error.to_string())?;
            if !status.success() {
                return Err(format!("a worker ended with {status}"));
            }
        }
        Ok(())
    }

    fn processes(&self) -> MutexGuard<'_, Vec<Child>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for process in self.processes().iter_mut() {
            // Gone already, or not ours to wait for any longer.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
