//! A private PostgreSQL cluster from the installed binaries: for tests and measurements, never for use. It listens on a
//! socket in its own folder and goes away with the process that started it, however that one ends.

mod proxy;

pub use proxy::{Cuts, Proxy};

use sqlx::{ConnectOptions, Connection, Executor, PgConnection};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// How a cluster is started.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// Off is faster and survives everything but a crash of the machine: for tests of anything else.
    pub is_flushed: bool,
    /// Further lines of `postgresql.conf`.
    pub settings: Vec<String>,
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Ends sessions, rolls back what is open, writes everything down.
    Fast,
    /// As if it had crashed; recovers when it is started again.
    Immediate,
}

/// A running cluster.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    binaries: PathBuf,
    user: Option<User>,
    /// Waits for the end of this process, then stops the server and removes the folder.
    janitor: Mutex<Child>,
}

/// Who runs the server when this process is the superuser, which a server refuses to run as.
#[derive(Clone, Debug)]
struct User {
    user: u32,
    group: u32,
}

impl Cluster {
    pub fn start(options: &ClusterOptions) -> Result<Cluster, String> {
        let binaries = binaries()?;
        let user = if own_user() == Some(0) { Some(ordinary_user()?) } else { None };
        let folder = tempfile::Builder::new().prefix("pmflow-postgres-").tempdir().map_err(|error| error.to_string())?.keep();
        let failed = |error: std::io::Error| format!("the folder of a cluster cannot be made: {error}");
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).map_err(failed)?;
        if let Some(user) = &user {
            chown(&folder, Some(user.user), Some(user.group)).map_err(failed)?;
        }
        let janitor = Mutex::new(janitor(&folder, user.as_ref())?);
        let cluster = Cluster { folder, binaries, user, janitor };
        cluster.run(
            "initdb",
            &["--auth=trust", "--encoding=UTF8", "--locale=C", "--username=postgres", "--no-sync", "--pgdata=data"],
        )?;
        let settings = cluster.settings(options);
        let path = cluster.folder.join("data").join("postgresql.auto.conf");
        std::fs::write(path, settings).map_err(failed)?;
        cluster.go()?;
        Ok(cluster)
    }

    /// Of a database in it.
    pub fn address(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.folder.display())
    }

    /// The socket that it listens on.
    pub fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }

    /// The server's first process; none while it is stopped.
    pub fn process(&self) -> Option<u32> {
        let text = std::fs::read_to_string(self.folder.join("data").join("postmaster.pid")).ok()?;
        text.lines().next()?.trim().parse().ok()
    }

    /// Starts the server again after [`Cluster::stop`]. Returns before it has recovered.
    pub fn go(&self) -> Result<(), String> {
        self.run("pg_ctl", &["start", "--wait", "--timeout=60", "--silent", "--pgdata=data", "--log=log"])
    }

    pub fn stop(&self, how: Stop) -> Result<(), String> {
        let mode = match how {
            Stop::Fast => "--mode=fast",
            Stop::Immediate => "--mode=immediate",
        };
        self.run("pg_ctl", &["stop", "--wait", "--timeout=60", "--silent", "--pgdata=data", mode])
    }

    fn settings(&self, options: &ClusterOptions) -> String {
        let flushed = if options.is_flushed { "on" } else { "off" };
        let mut lines = vec![
            "listen_addresses = ''".to_owned(),
            format!("unix_socket_directories = '{}'", self.folder.display()),
            "max_connections = 300".to_owned(),
            format!("fsync = {flushed}"),
            format!("full_page_writes = {flushed}"),
        ];
        lines.extend(options.settings.iter().cloned());
        lines.join("\n") + "\n"
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<(), String> {
        let program = self.binaries.join(program);
        let mut command = as_user(&program, self.user.as_ref());
        // The server keeps what it inherits: a pipe would stay open as long as it runs.
        let log = std::fs::File::create(self.folder.join("commands")).map_err(|error| error.to_string())?;
        let copy = log.try_clone().map_err(|error| error.to_string())?;
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null()).stdout(log).stderr(copy);
        let status = command.status().map_err(|error| format!("{} cannot be started: {error}", program.display()))?;
        if status.success() {
            return Ok(());
        }
        let said = |name: &str| std::fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        Err(format!("{} failed:\n{}\n{}", program.display(), said("commands"), said("log")))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let janitor = self.janitor.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(janitor.stdin.take());
        let _ = janitor.wait();
    }
}

/// The highest version that is installed.
fn binaries() -> Result<PathBuf, String> {
    let of = |folder: &Path| folder.join("initdb").is_file() && folder.join("postgres").is_file();
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(folder) = std::env::split_paths(&path).find(|folder| of(folder)) {
        return Ok(folder);
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().parse::<u32>().ok();
    let installed = versions.filter_map(|entry| number(&entry).map(|version| (version, entry.path().join("bin"))));
    let newest = installed.filter(|(_, folder)| of(folder)).max();
    newest.map(|(_, folder)| folder).ok_or_else(|| {
        "there are no PostgreSQL server binaries on the path or in /usr/lib/postgresql: install PostgreSQL 14 or newer (`apt \
         install postgresql`), or set DATABASE_URL to a server on which databases may be made"
            .to_owned()
    })
}

fn own_user() -> Option<u32> {
    std::fs::metadata("/proc/self").ok().map(|own| own.uid())
}

fn ordinary_user() -> Result<User, String> {
    let passwd = std::fs::read_to_string("/etc/passwd").map_err(|error| format!("/etc/passwd: {error}"))?;
    let find = |name: &str| {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some(User { user: fields.next()?.parse().ok()?, group: fields.next()?.parse().ok()? })
    };
    ["postgres", "nobody"].into_iter().find_map(find).ok_or_else(|| "no ordinary user to run PostgreSQL as".to_owned())
}

fn as_user(program: &Path, user: Option<&User>) -> Command {
    let Some(user) = user else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={}", user.user)).arg(format!("--regid={}", user.group)).arg("--clear-groups").arg(program);
    command
}

fn janitor(folder: &Path, user: Option<&User>) -> Result<Child, String> {
    let script = r#"read -r _; kill -QUIT "$(head -n 1 "$1/data/postmaster.pid")"; rm -rf "$1""#;
    let mut command = as_user(Path::new("/bin/sh"), user);
    command.arg("-c").arg(script).arg("sh").arg(folder).current_dir("/");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C on the terminal is for the tests; the janitor outlives them.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().map_err(|error| format!("/bin/sh cannot be started: {error}"))
}

/// A database that is dropped with this value.
#[derive(Debug)]
pub struct Database {
    pub address: String,
    name: String,
    server: String,
}

impl Database {
    /// An empty one: on the server of `DATABASE_URL`, or else in a cluster that all of this process shares.
    pub async fn create() -> Result<Database, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("pmflow_test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let (server, address) = match std::env::var("DATABASE_URL") {
            Ok(server) if !server.is_empty() => (server.clone(), with_database(&server, &name)),
            _ => {
                let cluster = shared()?;
                (cluster.address("postgres"), cluster.address(&name))
            }
        };
        execute(&server, &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")).await?;
        Ok(Database { address, name, server })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, statement) = (self.server.clone(), format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| runtime.block_on(execute(&server, &statement)))
        });
        // What is left of a test is only untidy.
        let _ = dropped.join();
    }
}

/// Runs statements from beside any store, as another program would.
pub async fn execute(address: &str, statements: &str) -> Result<(), String> {
    let failed = |error: sqlx::Error| error.to_string();
    let options: sqlx::postgres::PgConnectOptions = address.parse().map_err(failed)?;
    let mut connection: PgConnection = options.connect().await.map_err(failed)?;
    connection.execute(sqlx::AssertSqlSafe(statements.to_owned())).await.map_err(failed)?;
    connection.close().await.map_err(failed)
}

fn with_database(server: &str, name: &str) -> String {
    let (place, settings) = server.split_once('?').map_or((server, None), |(place, settings)| (place, Some(settings)));
    let after_host = place.find("://").map_or(0, |at| at + 3);
    let end = place.get(after_host..).and_then(|rest| rest.find('/')).map_or(place.len(), |at| after_host + at);
    let mut address = format!("{}/{name}", place.get(..end).unwrap_or(place));
    if let Some(settings) = settings {
        address = format!("{address}?{settings}");
    }
    address
}

fn shared() -> Result<&'static Cluster, String> {
    static SHARED: OnceLock<Result<Cluster, String>> = OnceLock::new();
    let start = || Cluster::start(&ClusterOptions { is_flushed: false, settings: Vec::new() });
    SHARED.get_or_init(start).as_ref().map_err(Clone::clone)
}
