//! From a file that the user named to a checked project and a priced plan.

use crate::disk::DiskWorld;
use crate::exit::{Failed, Result};
use crate::project::{Project, SETTINGS_FILE};
use crate::terminal::Terminal;
use pmflow_compiler::cost::history::Seen;
use pmflow_compiler::cost::{self, Estimate, Expectations};
use pmflow_compiler::emit;
use pmflow_compiler::lints::{self, Level, Levels, LintedFile};
use pmflow_compiler::problems::{self, Problems, Severity, render};
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
    pub levels: Levels,
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
    let world = DiskWorld::new(project.catalog()?);
    let roots = paths.iter().map(|path| world.open(path)).collect::<Result<Vec<FileId>>>()?;
    let mut checked = check_project(&world, &roots);
    let levels = levels(&project)?;
    // The checker has linted already; what is left is what this project makes of each warning.
    checked.problems.all.retain(|problem| problem.severity() == Severity::Error || levels.of(problem.code) != Level::Allow);
    Ok(Loaded { project, world, checked, levels })
}

/// `[lints]` of `pmflow.toml`.
pub fn levels(project: &Project) -> Result<Levels> {
    let mut levels = Levels::default();
    for (code, level) in &project.settings.lints {
        if problems::explain(code).is_none() || !code.starts_with(['W', 'H']) {
            let failed = Failed::new(format!("{SETTINGS_FILE}: there is no warning `{code}`"));
            return Err(match problems::nearest_code(code) {
                Some(near) => failed.help(format!("did you mean {near}? `pmflow explain` lists all codes")),
                None => failed.help("`pmflow explain` lists all codes"),
            });
        }
        levels.by_code.insert(code.clone(), *level);
    }
    Ok(levels)
}

impl Loaded {
    pub fn read(&self, file: FileId) -> Source {
        match self.checked.file(file) {
            Some(file) => Source { path: file.path.clone(), text: file.text.clone() },
            None => self.world.source(file),
        }
    }

    /// Those that neither a comment in the source nor the project silences.
    pub fn heard(&self, problems: Problems) -> Problems {
        let own = self.checked.files.iter().filter(|file| !file.id.is_standard());
        let files: Vec<LintedFile<'_>> =
            own.map(|file| LintedFile { id: file.id, text: &file.text, ast: &file.ast, comments: &file.comments }).collect();
        lints::silenced(&files, problems, &self.levels)
    }

    /// True when nothing stands in the way of a plan.
    pub fn passes(&self) -> bool {
        !self.levels.stop(&self.checked.problems)
    }

    /// Problems for a person, on standard error.
    pub fn print_problems(&self, terminal: &Terminal) {
        self.print(&self.checked.problems, terminal);
    }

    pub fn print(&self, problems: &Problems, terminal: &Terminal) {
        let style = render::Human { color: terminal.color_on_stderr(), columns: terminal.width(), ascii: false };
        let text = render::human(problems, &|file| self.read(file), style);
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
            [] => {
                Err(Failed::new(format!("`{file}` has no flow")).help("a file needs a `flow NAME() { … }` to be run or priced"))
            }
            [first, ..] => {
                Err(Failed::new(format!("`{file}` has several flows: {}", listed())).help(format!("name one: {file}:{first}")))
            }
        }
    }

    /// `known`: what is known of the plan's sizes besides what it declares.
    fn price(&self, flow: &str, known: impl FnOnce(&Loaded, &Plan) -> Result<Known>) -> Result<Priced> {
        let (mut plan, map) = emit::emit(&self.checked, flow)
            .ok_or_else(|| Failed::new(format!("no plan can be made of `{flow}`: its file has problems")))?;
        // What a past run's plan is held against has its overheads filled in.
        cost::price_with(&mut plan, self.world.catalog());
        let Known { expectations, seen } = known(self, &plan)?;
        let mut estimate = cost::price_expecting(&mut plan, self.world.catalog(), &expectations);
        estimate.seen = seen;
        Ok(Priced { plan, map, estimate })
    }
}

/// What is known of a flow besides its source.
#[derive(Debug, Default)]
pub struct Known {
    pub expectations: Expectations,
    /// What past runs came to.
    pub seen: Option<Seen>,
}

/// Loads a target and prices its flow. None: the problems were printed, and there is no plan.
pub fn load_flow(target: &Target, terminal: &Terminal) -> Result<Option<(Loaded, Priced)>> {
    load_flow_expecting(target, terminal, |_, _| Ok(Known::default()))
}

/// As [`load_flow`], with what is known besides.
pub fn load_flow_expecting(
    target: &Target,
    terminal: &Terminal,
    known: impl FnOnce(&Loaded, &Plan) -> Result<Known>,
) -> Result<Option<(Loaded, Priced)>> {
    let loaded = load(std::slice::from_ref(&target.file))?;
    loaded.print_problems(terminal);
    if !loaded.passes() {
        return Ok(None);
    }
    let flow = loaded.flow_name(target)?;
    let priced = loaded.price(&flow, known)?;
    Ok(Some((loaded, priced)))
}

/// The plan of a flow in another world, such as an earlier revision. An error holds its problems.
pub fn plan_in(world: DiskWorld, target: &Target) -> Result<Plan> {
    let root = world.open(&target.file)?;
    let checked = check_project(&world, &[root]);
    let project = Project::here()?;
    let loaded = Loaded { project, world, checked, levels: Levels::default() };
    if !loaded.checked.clean() {
        let style = render::Human { color: false, columns: 100, ascii: false };
        let problems = render::human(&loaded.checked.problems, &|file| loaded.read(file), style);
        return Err(Failed::new(format!("it has problems, so it has no cost to compare with\n{}", problems.trim_end())));
    }
    let flow = loaded.flow_name(target)?;
    loaded.price(&flow, |_, _| Ok(Known::default())).map(|priced| priced.plan)
}
