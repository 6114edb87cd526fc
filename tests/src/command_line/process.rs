//! Starting `pmflow` in a folder of its own.

use pmflow_store_postgres::cluster::Database;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder that goes away with the test.
#[derive(Debug)]
pub struct Folder {
    pub folder: tempfile::TempDir,
    /// The runs are kept here; none: in the folder.
    database: Option<Database>,
}

/// What a process said and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Folder {
    pub fn new() -> Folder {
        Folder { folder: tempfile::tempdir().expect("a temporary folder can be made"), database: None }
    }

    /// With a copy of an example's folder inside.
    pub fn with_example(name: &str) -> Folder {
        let made = Folder::new();
        let from = examples().join(name);
        for entry in std::fs::read_dir(&from).expect("the example is there") {
            let entry = entry.expect("a folder's entry can be read");
            // What somebody's own runs left beside it is no part of the example.
            if entry.path().is_dir() {
                continue;
            }
            std::fs::copy(entry.path(), made.path().join(entry.file_name())).expect("an example's file can be copied");
        }
        made
    }

    /// The same with its runs in an empty PostgreSQL database.
    pub fn on_server(mut self) -> Folder {
        self.database = Some(block_on(Database::create()).expect("a database can be made"));
        let said = self.pmflow("migrate");
        assert_eq!(said.code, Some(0), "{}", said.err);
        self
    }

    /// Of the database on the server.
    pub fn address(&self) -> &str {
        self.database.as_ref().map(|database| database.address.as_str()).expect("the folder's runs are on a server")
    }

    /// Changes the database on the server from beside.
    pub fn execute(&self, statement: &str) {
        block_on(pmflow_store_postgres::cluster::execute(self.address(), statement)).expect("the statement can be executed");
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, bytes).expect("a file can be written");
        path
    }

    /// `pmflow` with words separated by blanks, without colour and without the caller's keys.
    pub fn pmflow(&self, words: &str) -> Said {
        said(self.command(&words.split_whitespace().collect::<Vec<_>>()).output().expect("pmflow can be started"))
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pmflow"));
        command.args(words).current_dir(self.path()).env("NO_COLOR", "1").env("COLUMNS", "100");
        for key in [
            "OPENAI_API_KEY",
            "ANTHROPIC_API_KEY",
            "GEMINI_API_KEY",
            "GOOGLE_API_KEY",
            "PMFLOW_STORE",
            "DATABASE_URL",
            "PMFLOW_FAULT",
            "PMFLOW_LOG",
            "PMFLOW_LOG_FORMAT",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
        ] {
            command.env_remove(key);
        }
        if let Some(database) = &self.database {
            command.env("DATABASE_URL", &database.address);
        }
        command
    }
}

pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(work)
}

pub fn said(output: Output) -> Said {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("pmflow writes UTF-8");
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// The cases' own files.
pub fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/command_line")
}
