//! From a file that the user named to a checked project and a priced plan.

use crate::disk::DiskWorld;
use crate::exit::{Failed, Result};
use crate::project::{Level, Project};
use crate::terminal::Terminal;
use pmflow_compiler::cost::{self, Estimate};
use pmflow_compiler::emit;
use pmflow_compiler::problems::render;
use pmflow_compiler::types::{Checked, check_project};
use pmflow_compiler::world::Source;
use pmflow_compiler::{FileId, World as _};
use pmflow_plan::{Plan, SourceMap};
use std::path::{Path, PathBuf};

/// `FILE` or `FILE:FLOW`.
#[derive(Clone, Debug)]
pub struct Target {
    pub file: PathBuf,
    pub flow: Option<String>,
}

impl std::str::FromStr for Target {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Target, String> {
        if let Some((file, flow)) = text.rsplit_once(':')
            && file.ends_with(".pmflow")
        {
            return Ok(Target { file: file.into(), flow: Some(flow.to_owned()).filter(|flow| !flow.is_empty()) });
        }
        Ok(Target { file: text.into(), flow: None })
    }
}

/// A project in memory.
#[derive(Debug)]
pub struct Loaded {
    pub project: Project,
    pub world: DiskWorld,
    pub checked: Checked,
}

/// A flow, ready to run.
#[derive(Debug)]
pub struct Priced {
    pub plan: Plan,
    pub map: SourceMap,
    pub estimate: Estimate,
}

/// Reads and checks files; problems are in the result, not an error.
pub fn load(paths: &[PathBuf]) -> Result<Loaded> {
    let folder = paths.first().and_then(|path| path.parent()).filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let project = Project::of(&folder.canonicalize().unwrap_or_else(|_| folder.to_owned()))?;
    let world = DiskWorld::new();
    let roots = paths.iter().map(|path| world.open(path)).collect::<Result<Vec<FileId>>>()?;
    let mut checked = check_project(&world, &roots);
    apply_levels(&project, &mut checked);
    Ok(Loaded { project, world, checked })
}

/// `[lints]` of `pmflow.toml`: an allowed warning is dropped. Denied ones stay warnings and count as errors at the gate.
fn apply_levels(project: &Project, checked: &mut Checked) {
    let level = |code: &str| project.settings.lints.get(code).copied().unwrap_or(Level::Warn);
    checked.problems.all.retain(|problem| problem.code.starts_with('E') || level(problem.code) != Level::Allow);
}

impl Loaded {
    pub fn read(&self, file: FileId) -> Source {
        match self.checked.file(file) {
            Some(file) => Source { path: file.path.clone(), text: file.text.clone() },
            None => self.world.source(file),
        }
    }

    /// True when nothing stands in the way of a plan.
    pub fn passes(&self) -> bool {
        let denied = |code: &str| self.project.settings.lints.get(code) == Some(&Level::Deny);
        self.checked.clean() && !self.checked.problems.all.iter().any(|problem| denied(problem.code))
    }

    /// Problems for a person, on standard error.
    pub fn print_problems(&self, terminal: &Terminal) {
        let style = render::Human { color: terminal.color_on_stderr(), columns: terminal.width(), ascii: false };
        let text = render::human(&self.checked.problems, &|file| self.read(file), style);
        if !text.is_empty() {
            terminal.note(text.trim_end());
        }
    }

    /// The flow that is meant: the one named, or the only one of the file.
    pub fn flow_name(&self, target: &Target) -> Result<String> {
        let names = self.checked.flow_names();
        let listed = || names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let file = target.file.display();
        if let Some(wanted) = &target.flow {
            if names.contains(&wanted.as_str()) {
                return Ok(wanted.clone());
            }
            let failed = Failed::new(format!("`{file}` has no flow `{wanted}`"));
            return Err(match pmflow_compiler::problems::nearest(wanted, names.iter().copied()) {
                Some(near) => failed.help(format!("did you mean `{near}`?")),
                None => failed.help(format!("it has {}", listed())),
            });
        }
        match names.as_slice() {
            [only] => Ok((*only).to_owned()),
            [] => Err(Failed::new(format!("`{file}` has no flow")).help("a file needs a `flow NAME() { … }` to be run or priced")),
            [first, ..] => Err(Failed::new(format!("`{file}` has several flows: {}", listed()))
                .help(format!("name one: {file}:{first}"))),
        }
    }

    pub fn price(&self, flow: &str) -> Result<Priced> {
        let (mut plan, map) = emit::emit(&self.checked, flow)
            .ok_or_else(|| Failed::new(format!("no plan can be made of `{flow}`: its file has problems")))?;
        let estimate = cost::price(&mut plan);
        Ok(Priced { plan, map, estimate })
    }
}

/// Loads a target and prices its flow. None: the problems were printed, and there is no plan.
pub fn load_flow(target: &Target, terminal: &Terminal) -> Result<Option<(Loaded, Priced)>> {
    let loaded = load(std::slice::from_ref(&target.file))?;
    loaded.print_problems(terminal);
    if !loaded.passes() {
        return Ok(None);
    }
    let flow = loaded.flow_name(target)?;
    let priced = loaded.price(&flow)?;
    Ok(Some((loaded, priced)))
}
