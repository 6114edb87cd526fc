//! Rows of files and of connectors' sources, sent through a loop's stages while they stream by.

use crate::Setup;
use crate::operations::{Operations, PagePull};
use pmflow_connectors::FileReader;
use pmflow_connectors::files::FileOptions;
use pmflow_engine::stream::{Passage, Sieve, Stages};
use pmflow_engine::{Event, Pull, ResolvedSource, Row};
use pmflow_plan::eval::Context;
use pmflow_plan::failure::Failure;
use pmflow_plan::{FailureClass, FileFormat, Plan, Type};
use pmflow_store::Store;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// Rows that are read before the stages' verdict is looked at, at most.
const CHUNK_ROWS: u64 = 1024;

#[derive(Debug)]
pub(crate) struct Rows {
    folder: PathBuf,
    /// Readers between two pulls, by instance and step, with the cursor at which they stand.
    open: Arc<Mutex<BTreeMap<String, (String, FileReader)>>>,
}

/// What a pull gathered.
pub(crate) struct Gathered {
    pub rows: Vec<Row>,
    pub cursor: Option<String>,
    pub stages: Stages,
    pub exhausted: bool,
}

/// A file source with everything that reading it needs.
struct FilePull {
    place: String,
    path: PathBuf,
    format: FileFormat,
    row: Type,
    cursor: Option<String>,
    rows_max: u64,
    read_max: u64,
    stages: Stages,
}

impl Rows {
    pub fn new(setup: &Setup) -> Rows {
        Rows { folder: setup.folder.clone(), open: Arc::default() }
    }

    pub async fn pull<S: Store>(&self, plan: &Arc<Plan>, operations: &Operations<S>, pull: Pull) -> Event {
        let Pull { instance, step, pull: number, name: _, source, cursor, rows_max, read_max, stages, timeout_ms } = pull;
        let gathered = match source {
            ResolvedSource::File { format, path, row } => {
                let place = format!("{instance} {step}");
                let path = self.folder.join(&*path);
                self.file(plan.clone(), FilePull { place, path, format, row, cursor, rows_max, read_max, stages }).await
            }
            ResolvedSource::Operation { operation, arguments, row } => {
                let (operation, arguments, row) = (&*operation, &*arguments, &row);
                let pull = PagePull { operation, arguments, row, cursor, rows_max, read_max, timeout_ms, stages };
                operations.pages(plan, pull).await
            }
        };
        match gathered {
            Ok(Gathered { rows, cursor, stages, exhausted }) => {
                Event::Rows { instance, step, pull: number, rows, cursor, stages, exhausted }
            }
            Err(failure) => Event::SourceFailed { instance, step, pull: number, failure },
        }
    }

    /// Reading a file blocks, so it has a thread of its own.
    async fn file(&self, plan: Arc<Plan>, pull: FilePull) -> Result<Gathered, Failure> {
        let open = self.open.clone();
        let read = tokio::task::spawn_blocking(move || read_file(&plan, &open, pull)).await;
        read.unwrap_or_else(|error| Err(Failure::not_sent(FailureClass::Transport, format!("reading was broken off: {error}"))))
    }
}

fn read_file(plan: &Plan, open: &Mutex<BTreeMap<String, (String, FileReader)>>, pull: FilePull) -> Result<Gathered, Failure> {
    let mut reader = reader(plan, open, &pull)?;
    let context = Context::of(plan);
    let mut sieve = pull.stages.sieve(&context);
    let mut rows = Vec::new();
    let mut read = 0;
    let mut exhausted = false;
    while !exhausted && !sieve.stages().ended() && (rows.len() as u64) < pull.rows_max && read < pull.read_max {
        let stages = sieve.stages();
        let limit = stages.read_limit.map_or(u64::MAX, |limit| limit.saturating_sub(stages.read));
        let chunk = (pull.rows_max - rows.len() as u64).min(pull.read_max - read).min(limit).min(CHUNK_ROWS);
        let page = reader.next_rows(chunk)?;
        read += page.read;
        exhausted = page.exhausted;
        for bad in &page.skipped {
            sieve.skip();
            tracing::warn!("{}, line {}: {}; the row is skipped", pull.path.display(), bad.line, bad.reason);
        }
        page.rows.into_iter().for_each(|row| pass(&mut sieve, row, &mut rows));
    }
    let stages = sieve.stages().clone();
    let exhausted = exhausted || stages.ended();
    let cursor = reader.cursor();
    if !exhausted && let Ok(mut open) = open.lock() {
        open.insert(pull.place, (cursor.clone(), reader));
    }
    Ok(Gathered { rows, cursor: Some(cursor), stages, exhausted })
}

/// The reader that the last pull left at this cursor, or a new one.
fn reader(plan: &Plan, open: &Mutex<BTreeMap<String, (String, FileReader)>>, pull: &FilePull) -> Result<FileReader, Failure> {
    let kept = open.lock().ok().and_then(|mut open| open.remove(&pull.place));
    match (kept, &pull.cursor) {
        (Some((at, reader)), Some(cursor)) if at == *cursor => Ok(reader),
        _ => FileReader::open(&pull.path, &FileOptions::new(&pull.format, &pull.row, &plan.types), pull.cursor.as_deref()),
    }
}

/// Sends a row through the stages; a failed one stays, as a failed item.
pub(crate) fn pass(sieve: &mut Sieve<'_>, row: pmflow_plan::Value, rows: &mut Vec<Row>) {
    match sieve.pass(row) {
        Passage::Kept(value) => rows.push(Row { value: Ok(value) }),
        Passage::Failed(failure) => rows.push(Row { value: Err(failure) }),
        Passage::Dropped => {}
    }
}
