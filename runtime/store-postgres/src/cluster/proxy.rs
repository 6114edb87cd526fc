//! A proxy before a server that cuts connections exactly at a commit: before it is passed on, or before its answer is. Told
//! so, it takes a statement outside of a transaction for one of its own.

use sqlx::postgres::PgConnectOptions;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};

/// The message by which a transaction is committed.
const COMMIT: &[u8] = b"Q\x00\x00\x00\x0bCOMMIT\x00";
/// The message that executes a prepared statement.
const EXECUTE: &[u8] = b"E\x00\x00\x00\x09\x00";
/// The server has done everything and is in no transaction, or in one.
const READY_IDLE: &[u8] = b"Z\x00\x00\x00\x05I";
const READY_WITHIN: &[u8] = b"Z\x00\x00\x00\x05T";

/// Every so many commits, counted over all connections; 0: never.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cuts {
    /// The commit is not passed on: the transaction is rolled back.
    pub before_commit: u64,
    /// The commit is passed on and done; its answer is not.
    pub after_commit: u64,
}

/// Runs until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    /// Of the database behind it.
    pub address: String,
    counts: Arc<Counts>,
    task: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

#[derive(Debug, Default)]
struct Counts {
    commits: AtomicU64,
    cuts: AtomicU64,
    takes_statements: AtomicBool,
}

#[derive(Clone)]
enum Target {
    Socket(PathBuf),
    Host(String, u16),
}

impl Proxy {
    pub async fn start(address: &str, cuts: Cuts) -> Result<Proxy, String> {
        let options: PgConnectOptions = address.parse().map_err(|error: sqlx::Error| error.to_string())?;
        let target = match options.get_socket() {
            Some(folder) => Target::Socket(folder.join(format!(".s.PGSQL.{}", options.get_port()))),
            None if options.get_host().starts_with('/') => {
                Target::Socket(PathBuf::from(options.get_host()).join(format!(".s.PGSQL.{}", options.get_port())))
            }
            None => Target::Host(options.get_host().to_owned(), options.get_port()),
        };
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let own = format!(".s.PGSQL.{}", options.get_port());
        let listener = UnixListener::bind(folder.path().join(own)).map_err(|error| error.to_string())?;
        let place = address.split('?').next().unwrap_or(address);
        let address = format!("{place}?host={}", folder.path().display());
        let counts = Arc::new(Counts::default());
        let task = tokio::spawn(accept(listener, target, cuts, counts.clone()));
        Ok(Proxy { address, counts, task, _folder: folder })
    }

    /// From here on statements outside of transactions count as commits.
    pub fn take_statements(&self) {
        self.counts.takes_statements.store(true, Ordering::Relaxed);
    }

    /// So many connections were cut so far.
    pub fn cuts(&self) -> u64 {
        self.counts.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: UnixListener, target: Target, cuts: Cuts, counts: Arc<Counts>) {
    while let Ok((client, _)) = listener.accept().await {
        let (target, counts) = (target.clone(), counts.clone());
        tokio::spawn(async move {
            // A connection that ends, ends; whose fault it was is of no interest here.
            let _ = match target {
                Target::Socket(path) => match UnixStream::connect(path).await {
                    Ok(server) => forward(client, server, cuts, &counts).await,
                    Err(error) => Err(error),
                },
                Target::Host(host, port) => match TcpStream::connect((host, port)).await {
                    Ok(server) => forward(client, server, cuts, &counts).await,
                    Err(error) => Err(error),
                },
            };
        });
    }
}

async fn forward<S: AsyncRead + AsyncWrite + Unpin>(
    client: UnixStream,
    server: S,
    cuts: Cuts,
    counts: &Counts,
) -> io::Result<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let mut asked = vec![0; 1 << 16];
    let mut answered = vec![0; 1 << 16];
    let mut is_idle = true;
    loop {
        tokio::select! {
            read = from_client.read(&mut asked) => {
                let message = asked.get(..read?).filter(|message| !message.is_empty()).ok_or(io::ErrorKind::UnexpectedEof)?;
                let is_statement = is_idle && counts.takes_statements.load(Ordering::Relaxed) && has(message, EXECUTE);
                if is_statement || has(message, COMMIT) {
                    let commit = counts.commits.fetch_add(1, Ordering::Relaxed) + 1;
                    if is_due(commit, cuts.before_commit) {
                        counts.cuts.fetch_add(1, Ordering::Relaxed);
                        return Ok(());
                    }
                    to_server.write_all(message).await?;
                    if is_due(commit, cuts.after_commit) {
                        // The answer says that it is done; nobody hears it.
                        let _ = from_server.read(&mut answered).await?;
                        counts.cuts.fetch_add(1, Ordering::Relaxed);
                        return Ok(());
                    }
                } else {
                    to_server.write_all(message).await?;
                }
            }
            read = from_server.read(&mut answered) => {
                let message = answered.get(..read?).filter(|message| !message.is_empty()).ok_or(io::ErrorKind::UnexpectedEof)?;
                if message.ends_with(READY_IDLE) || message.ends_with(READY_WITHIN) {
                    is_idle = message.ends_with(READY_IDLE);
                }
                to_client.write_all(message).await?;
            }
        }
    }
}

fn has(message: &[u8], part: &[u8]) -> bool {
    message.windows(part.len()).any(|window| window == part)
}

fn is_due(number: u64, every: u64) -> bool {
    every > 0 && number.is_multiple_of(every)
}
