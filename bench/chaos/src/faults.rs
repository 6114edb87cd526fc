//! What goes wrong, drawn from a seed.

use crate::Arguments;
use crate::workers::Workers;
use pmflow_store_postgres::cluster::{Cluster, Stop};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

#[derive(Debug, Default)]
struct Counts {
    fast: AtomicU32,
    immediate: AtomicU32,
    during_recovery: AtomicU32,
    killed: AtomicU32,
    paused: AtomicU32,
}

pub struct Faults {
    counts: Arc<Counts>,
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<(), String>>>,
}

impl Faults {
    pub fn start(arguments: &Arguments, cluster: Arc<Cluster>, workers: Arc<Workers>) -> Faults {
        let (counts, is_over) = (Arc::new(Counts::default()), Arc::new(AtomicBool::new(false)));
        let server = Hand { arguments: arguments.clone(), counts: counts.clone(), is_over: is_over.clone() };
        let (killer, pauser) = (server.clone(), server.clone());
        let (killed, paused) = (workers.clone(), workers);
        let threads = vec![
            std::thread::spawn(move || server.stop_servers(&cluster)),
            std::thread::spawn(move || killer.kill_workers(&killed)),
            std::thread::spawn(move || pauser.pause_workers(&paused)),
        ];
        Faults { counts, is_over, threads }
    }

    /// Stops of PostgreSQL so far.
    pub fn restarts(&self) -> u32 {
        self.counts.fast.load(Ordering::Relaxed) + self.counts.immediate.load(Ordering::Relaxed)
    }

    /// What there was; everything runs again when this returns.
    pub async fn stop(self) -> Result<String, String> {
        self.is_over.store(true, Ordering::Relaxed);
        let (threads, counts) = (self.threads, self.counts);
        tokio::task::spawn_blocking(move || {
            for thread in threads {
                thread.join().map_err(|_| "a thread of faults failed".to_owned())??;
            }
            Ok(counts.to_string())
        })
        .await
        .map_err(|error| error.to_string())?
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |count: &AtomicU32| count.load(Ordering::Relaxed);
        write!(
            f,
            "PostgreSQL stopped {} times fast and {} times immediately, {} of them during its recovery; {} workers killed, {} paused",
            of(&self.fast),
            of(&self.immediate),
            of(&self.during_recovery),
            of(&self.killed),
            of(&self.paused)
        )
    }
}

#[derive(Clone)]
struct Hand {
    arguments: Arguments,
    counts: Arc<Counts>,
    is_over: Arc<AtomicBool>,
}

impl Hand {
    fn chance(&self, salt: u64) -> SmallRng {
        SmallRng::seed_from_u64(self.arguments.seed.wrapping_mul(1000) + salt)
    }

    /// False when it is over.
    fn wait(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        while Instant::now() < until && !self.is_over.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(50));
        }
        !self.is_over.load(Ordering::Relaxed)
    }

    fn stop_servers(&self, cluster: &Cluster) -> Result<(), String> {
        let mut chance = self.chance(1);
        while self.wait(Duration::from_secs(chance.random_range(self.arguments.pause.clone()))) {
            let how = if chance.random_bool(0.5) { Stop::Fast } else { Stop::Immediate };
            let count = if how == Stop::Fast { &self.counts.fast } else { &self.counts.immediate };
            cluster.stop(how)?;
            count.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(chance.random_range(0..1500)));
            cluster.go()?;
            if chance.random_bool(0.3) {
                // Everybody is just coming back.
                std::thread::sleep(Duration::from_millis(chance.random_range(0..300)));
                cluster.stop(Stop::Immediate)?;
                self.counts.immediate.fetch_add(1, Ordering::Relaxed);
                self.counts.during_recovery.fetch_add(1, Ordering::Relaxed);
                cluster.go()?;
            }
        }
        Ok(())
    }

    fn kill_workers(&self, workers: &Workers) -> Result<(), String> {
        let mut chance = self.chance(2);
        while self.wait(Duration::from_secs(chance.random_range(self.arguments.pause.clone()) * 2)) {
            workers.kill(chance.random_range(0..self.arguments.workers))?;
            self.counts.killed.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// For longer than a lease holds.
    fn pause_workers(&self, workers: &Workers) -> Result<(), String> {
        let mut chance = self.chance(3);
        while self.wait(Duration::from_secs(chance.random_range(self.arguments.pause.clone()) * 4)) {
            let which = chance.random_range(0..self.arguments.workers);
            workers.signal(which, "STOP");
            self.counts.paused.fetch_add(1, Ordering::Relaxed);
            self.wait(Duration::from_secs(self.arguments.lease + 2));
            workers.signal(which, "CONT");
        }
        Ok(())
    }
}
