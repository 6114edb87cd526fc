//! The contact directory of the enrichment example, as a process of its own.

use crate::process::{Folder, Said, said};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

#[derive(Debug)]
pub struct Directory {
    process: Child,
    pub address: String,
}

impl Directory {
    /// On a free port. Cargo builds examples together with the tests, beside the binary.
    pub fn start() -> Directory {
        let beside = Path::new(env!("CARGO_BIN_EXE_pmflow")).parent().expect("the binary is in a folder");
        let program = beside.join("examples").join("contact-directory");
        let mut process = Command::new(program).arg("0").stdout(Stdio::piped()).spawn().expect("the directory can be started");
        let out = process.stdout.take().expect("standard output is piped");
        let mut address = String::new();
        BufReader::new(out).read_line(&mut address).expect("the directory says its address");
        Directory { process, address: address.trim().to_owned() }
    }

    /// `pmflow` with the connector sent to this directory.
    pub fn run(&self, folder: &Folder, words: &[&str]) -> Said {
        said(self.command(folder, words).output().expect("pmflow can be started"))
    }

    pub fn command(&self, folder: &Folder, words: &[&str]) -> Command {
        folder.write("pmflow.toml", format!("[connectors.directory]\nbase_url = \"{}\"\n", self.address));
        let mut command = folder.command(words);
        command.env("DIRECTORY_TOKEN", "demo");
        command
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // It may have ended on its own; there is nothing else to do either way.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
