//! Files as they were at a revision of a git repository, read through `git`; the work tree is not touched.

use super::tidy;
use crate::exit::{Failed, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[derive(Clone, Debug)]
pub struct Revision {
    /// The repository's top folder.
    top: PathBuf,
    commit: String,
}

impl Revision {
    /// In the repository that the file lies in.
    pub fn find(name: &str, file: &Path) -> Result<Revision> {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let top = git(folder, &["rev-parse", "--show-toplevel"])?;
        if !top.status.success() {
            return Err(Failed::new(format!("there is no file `{name}`, and `{}` lies in no git repository", file.display()))
                .help("--diff takes another .pmflow file, or a revision such as `main` or `HEAD~1`"));
        }
        let top = PathBuf::from(line(&top));
        // An option in disguise is no revision.
        let commit = git(&top, &["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{name}^{{commit}}")])?;
        if !commit.status.success() {
            return Err(Failed::new(format!("there is no file and no git revision `{name}`"))
                .help("a shallow clone has few revisions: `git fetch --unshallow`, or `fetch-depth: 0` in a workflow"));
        }
        Ok(Revision { top, commit: line(&commit) })
    }

    pub fn has(&self, path: &Path) -> Result<bool> {
        match self.object(path) {
            Ok(object) => Ok(git(&self.top, &["cat-file", "-e", &object])?.status.success()),
            Err(_) => Ok(false),
        }
    }

    pub fn read(&self, path: &Path) -> std::result::Result<Vec<u8>, String> {
        let shown = git(&self.top, &["cat-file", "blob", &self.object(path)?]).map_err(|failed| failed.message)?;
        if shown.status.success() { Ok(shown.stdout) } else { Err("there is no such file in that revision".to_owned()) }
    }

    /// As git names it: `COMMIT:path/from/the/top`.
    fn object(&self, path: &Path) -> std::result::Result<String, String> {
        let outside = || "it lies outside of the repository".to_owned();
        let top = self.top.canonicalize().map_err(|_| outside())?;
        let here = std::env::current_dir().and_then(|here| here.canonicalize()).map_err(|_| outside())?;
        let whole = tidy(&here.join(path));
        let below = whole.strip_prefix(&top).map_err(|_| outside())?;
        Ok(format!("{}:{}", self.commit, below.to_string_lossy().replace('\\', "/")))
    }
}

fn git(folder: &Path, words: &[&str]) -> Result<Output> {
    let output = Command::new("git").arg("-C").arg(folder).args(words).output();
    output.map_err(|error| {
        Failed::new(format!("git cannot be started: {}", super::reason(&error))).help("--diff FILE needs no git")
    })
}

fn line(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}
