//! Running a process and reading what it used.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// One run of a process.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    pub wall: Duration,
    /// User and system time of the process and its children.
    pub cpu: Duration,
    /// The largest resident memory that was seen, in MiB; looked at every few milliseconds.
    pub memory_mib: f64,
}

/// The release build of `pmflow`.
pub fn pmflow() -> PathBuf {
    let own = std::env::current_exe().expect("a running program has a path");
    own.with_file_name("pmflow")
}

/// Runs a program to its end in a folder; its output is thrown away, its CPU time read by the shell that starts it.
pub fn run(program: &Path, words: &[&str], folder: &Path, environment: &[(&str, String)]) -> Used {
    let times = folder.join(".times");
    let script = format!("TIMEFORMAT='%U %S'; {{ time \"$0\" \"$@\" >/dev/null 2>{0}/.stderr; }} 2>{0}/.times", folder.display());
    let started = Instant::now();
    let mut command = Command::new("bash");
    command.args(["-c", &script]).arg(program).args(words).current_dir(folder);
    command.env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    for (name, value) in environment {
        command.env(name, value);
    }
    let mut shell = command.spawn().expect("bash can be started");
    let name = program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut memory_kib = 0;
    let status = loop {
        memory_kib = memory_kib.max(resident_peak(shell.id(), &name));
        if let Some(status) = shell.try_wait().expect("a child can be waited for") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let wall = started.elapsed();
    if !status.success() {
        let said = std::fs::read_to_string(folder.join(".stderr")).unwrap_or_default();
        eprintln!("{} {words:?} ended with {status}:\n{said}", program.display());
    }
    let seconds: f64 = std::fs::read_to_string(&times)
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|number| number.parse::<f64>().ok())
        .sum();
    Used { wall, cpu: Duration::from_secs_f64(seconds), memory_mib: memory_kib as f64 / 1024.0 }
}

/// The peak resident memory, in KiB, of the shell's child of this name.
fn resident_peak(shell: u32, name: &str) -> u64 {
    let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap_or_default();
    let of_child = |child: &str| {
        let status = std::fs::read_to_string(format!("/proc/{child}/status")).ok()?;
        let short: String = name.chars().take(15).collect();
        status.lines().find(|line| line.starts_with("Name:"))?.ends_with(&short).then_some(())?;
        status.lines().find(|line| line.starts_with("VmHWM:"))?.split_whitespace().nth(1)?.parse().ok()
    };
    children.split_whitespace().filter_map(of_child).max().unwrap_or(0)
}

/// Several runs after one that is not counted; sorted by wall time.
pub fn repeat(times: usize, mut one: impl FnMut() -> Used) -> Vec<Used> {
    one();
    let mut all: Vec<Used> = (0..times).map(|_| one()).collect();
    all.sort_by_key(|used| used.wall);
    all
}

/// `median (min–max)` in milliseconds.
pub fn milliseconds(all: &[Used], of: impl Fn(&Used) -> Duration) -> String {
    let mut values: Vec<f64> = all.iter().map(|used| of(used).as_secs_f64() * 1000.0).collect();
    values.sort_by(f64::total_cmp);
    let at = |position: usize| values.get(position).copied().unwrap_or(f64::NAN);
    format!("{:.1} ({:.1}–{:.1})", at(values.len() / 2), at(0), at(values.len().saturating_sub(1)))
}

pub fn median(all: &[Used], of: impl Fn(&Used) -> f64) -> f64 {
    let mut values: Vec<f64> = all.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
