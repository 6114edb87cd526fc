//! A private PostgreSQL for a measurement, flushed to disk as in use, and what its processes use.

use pmflow_store_postgres::cluster::{Cluster, ClusterOptions};
use std::time::Duration;

pub struct Server {
    cluster: Cluster,
}

impl Server {
    pub fn start() -> Server {
        let options = ClusterOptions { is_flushed: true, settings: Vec::new() };
        Server { cluster: Cluster::start(&options).expect("a private PostgreSQL can be started") }
    }

    /// Of a database that is empty at first.
    pub fn address(&self) -> String {
        self.cluster.address("postgres")
    }

    /// User and system time of the server and of all its processes so far, those that have ended included.
    pub fn cpu(&self) -> Duration {
        let Some(server) = self.cluster.process() else { return Duration::ZERO };
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = processes.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
        let ticks = numbers
            .filter_map(|number| Times::of(&number.to_string()).filter(|times| number == server || times.parent == server));
        let sum: u64 = ticks.map(|times| if times.parent == server { times.own } else { times.own + times.ended_children }).sum();
        Duration::from_millis(sum * 10)
    }
}

/// Of one process, in hundredths of a second.
pub struct Times {
    parent: u32,
    pub own: u64,
    ended_children: u64,
}

impl Times {
    pub fn of(process: &str) -> Option<Times> {
        // Counted behind the name in brackets: the fields 4, 14 and 15, 16 and 17.
        let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let fields: Vec<&str> = text.rsplit(')').next()?.split_whitespace().collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
        let parent = u32::try_from(number(1)?).ok()?;
        Some(Times { parent, own: number(11)? + number(12)?, ended_children: number(13)? + number(14)? })
    }
}
