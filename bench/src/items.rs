//! A loop over many items, each with an output of its own: memory, the time per item at its beginning and its end, and what the
//! database grows by.

use crate::engine::Only;
use crate::measure::{Used, pmflow, run};
use crate::server::Server;
use sqlx::{Connection, Row};
use std::fmt::Write as _;
use std::path::Path;

const ITEMS: usize = 1_000_000;
/// Items at the beginning and at the end that are compared.
const STRETCH: i64 = 10_000;

const FLOW: &str = r#"flow copy() {
  concurrency: 64

  source rows = csv("rows.csv") limit 1000000

  for row in rows key row.id {
    output { id: row.id, message: row.message }
  }
}
"#;

/// When each output was stored, by position, and how many bytes the database takes.
struct Stored {
    first_us: f64,
    last_us: f64,
    bytes: i64,
}

pub fn items(only: &Only) {
    println!("\n## items: a loop over {ITEMS} items that each store an output, concurrency 64\n");
    println!("| what | wall s | CPU µs per item | µs per item, first {STRETCH} | last {STRETCH} | peak MiB | bytes per item |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    if only.has("sqlite") {
        let folder = project();
        let used = copy(folder.path(), &[]);
        print("SQLite", &used, &runtime.block_on(in_sqlite(&folder.path().join(".pmflow/pmflow.sqlite"))));
    }
    if only.has("postgres") {
        let (folder, server) = (project(), Server::start());
        let environment = [("DATABASE_URL", server.address())];
        run(&pmflow(), &["migrate"], folder.path(), &environment);
        let used = copy(folder.path(), &environment);
        print("PostgreSQL", &used, &runtime.block_on(in_postgres(&server.address())));
    }
}

fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::write(folder.path().join("copy.pmflow"), FLOW).expect("a file can be written");
    let mut text = String::from("id,message\n");
    for row in 0..ITEMS {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{row},message number {row} of an ordinary length that says something and nothing");
    }
    std::fs::write(folder.path().join("rows.csv"), text).expect("a file can be written");
    folder
}

fn copy(folder: &Path, environment: &[(&str, String)]) -> Used {
    run(&pmflow(), &["run", "copy.pmflow", "--yes", "--progress", "none"], folder, environment)
}

fn print(what: &str, used: &Used, stored: &Stored) {
    let cpu = used.cpu.as_secs_f64() * 1e6 / ITEMS as f64;
    let (wall, peak) = (used.wall.as_secs_f64(), used.memory_mib);
    let bytes = stored.bytes as f64 / ITEMS as f64;
    println!("| {what} | {wall:.1} | {cpu:.0} | {:.0} | {:.0} | {peak:.0} | {bytes:.0} |", stored.first_us, stored.last_us);
}

/// The time from the first to the last of a stretch of outputs, per item.
const STRETCHES: &str = "SELECT (max(at) - min(at)) * 1.0 / count(*) AS us FROM (SELECT at FROM outputs ORDER BY at ";

/// From the first output on, and from the last one back.
const ORDERS: [&str; 2] = ["", "DESC "];

async fn in_sqlite(path: &Path) -> Stored {
    let address = format!("sqlite://{}", path.display());
    let mut connection = sqlx::SqliteConnection::connect(&address).await.expect("the run left a database");
    let mut us = [0.0; 2];
    for (us, order) in us.iter_mut().zip(ORDERS) {
        let query = format!("{STRETCHES}{order}LIMIT {STRETCH})");
        let row = sqlx::query(sqlx::AssertSqlSafe(query)).fetch_one(&mut connection).await.expect("outputs can be read");
        *us = row.get("us");
    }
    let wal = path.with_extension("sqlite-wal");
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| i64::try_from(metadata.len()).unwrap_or(i64::MAX));
    let [first_us, last_us] = us;
    Stored { first_us, last_us, bytes: size(path) + size(&wal) }
}

async fn in_postgres(address: &str) -> Stored {
    let mut connection = sqlx::PgConnection::connect(address).await.expect("the server answers");
    let mut us = [0.0; 2];
    for (us, order) in us.iter_mut().zip(ORDERS) {
        let query = format!("SELECT us::float8 FROM ({STRETCHES}{order}LIMIT {STRETCH}) AS stretch) AS per_item");
        let row = sqlx::query(sqlx::AssertSqlSafe(query)).fetch_one(&mut connection).await.expect("outputs can be read");
        *us = row.get("us");
    }
    let size = "SELECT pg_database_size(current_database())";
    let bytes = sqlx::query_scalar(size).fetch_one(&mut connection).await.expect("a database has a size");
    let [first_us, last_us] = us;
    Stored { first_us, last_us, bytes }
}
