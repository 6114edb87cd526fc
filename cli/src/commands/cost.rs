mod earlier;
mod known;

use crate::exit::{Code, Failed, Result};
use crate::loading::{Loaded, Priced, Target, load_flow_expecting};
use crate::terminal::Terminal;
use pmflow_compiler::cost::{
    CostChange, Estimate, Policy, Recommendation, Standing, diff_with, price_expecting, recommendations, render, what_if,
};
use pmflow_compiler::problems::{Problem, Problems, Severity, render as problem_render};
use pmflow_compiler::{Span, World as _};
use pmflow_plan::SourceMap;
use std::path::PathBuf;

/// Prove what a run can cost at most, and say what it will probably cost
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pmflow cost leads.pmflow
  pmflow cost leads.pmflow:qualify_leads --unfold    every number down to its source line
  pmflow cost leads.pmflow --what-if model=openai/gpt-6-luna,rows=5000
  pmflow cost leads.pmflow --usage usage.toml --history
  pmflow cost leads.pmflow --diff main --format markdown        for a pull request
  pmflow cost leads.pmflow --diff main --fail-on 'increase > 10%' --fail-on 'ceiling > $5 per run'
  pmflow cost leads.pmflow --format html > cost.html

Exit codes: 0 fine, 1 problems in the source, 2 a budget or a policy is broken, 3 could not run.")]
pub struct Arguments {
    /// FILE, or FILE:FLOW where a file has several flows
    #[arg(value_name = "FLOW")]
    target: Target,

    #[arg(long, value_enum, default_value = "text")]
    format: Format,

    /// Show how each number is made, down to the source line.
    #[arg(long)]
    unfold: bool,

    /// A parameter of the flow, `name=value`, whose size then counts; lists and records as JSON. Repeatable.
    #[arg(long = "input", value_name = "NAME=VALUE", value_parser = super::run::key_value)]
    inputs: Vec<(String, String)>,

    /// Sizes that are expected, in a TOML file: `[FLOW]` with `STEP = 120`, `[prompts.NAME]` with `input` and `output`.
    #[arg(long, value_name = "FILE")]
    usage: Option<PathBuf>,

    /// Expect what this flow's own runs came to, where there were any.
    #[arg(long)]
    history: bool,

    /// Price something else: `model=ID`, `model.PROMPT=ID`, `rows=N`, `rows.SOURCE=N`, `max_input.PROMPT=N`,
    /// `max_output.PROMPT=N`, separated by commas.
    #[arg(long, value_name = "SETTINGS")]
    what_if: Option<String>,

    /// Say what changed since a git revision or another file, and why.
    #[arg(long, value_name = "REV|FILE")]
    diff: Option<String>,

    /// Exit with 2 when the cost breaks a policy: `ceiling > $5 per run`, `expected > $100 per month`, `increase > 10%`
    /// (with --diff), `crosses budget`. Repeatable.
    #[arg(long, value_name = "POLICY", value_parser = Policy::parse)]
    fail_on: Vec<Policy>,

    /// Short for --fail-on 'ceiling > $DOLLARS per run'.
    #[arg(long, value_name = "DOLLARS", value_parser = super::run::dollars, allow_hyphen_values = true)]
    fail_over: Option<pmflow_plan::Money>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Markdown,
    Html,
    Sarif,
}

/// All that is printed.
struct Report<'a> {
    estimate: &'a Estimate,
    advice: Vec<Recommendation>,
    change: Option<CostChange>,
    broken: Vec<String>,
    map: &'a SourceMap,
}

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    let compares = |policy: &Policy| matches!(policy, Policy::Increase { .. });
    if arguments.diff.is_none() && arguments.fail_on.iter().any(compares) {
        return Err(Failed::new("`increase` compares two versions, and only one is given").help("add --diff REV or --diff FILE"));
    }
    let known = |loaded: &Loaded, plan: &pmflow_plan::Plan| known::expectations(arguments, loaded, plan);
    let Some((loaded, mut priced)) = load_flow_expecting(&arguments.target, terminal, known)? else { return Ok(Code::Problems) };
    if let Some(settings) = &arguments.what_if {
        let expectations = known::without_rows(&priced.estimate.expectations, settings);
        what_if(&mut priced.plan, settings, loaded.world.catalog())
            .map_err(|reason| Failed::new(format!("--what-if: {reason}")))?;
        priced.estimate = price_expecting(&mut priced.plan, loaded.world.catalog(), &expectations);
    }
    let change = match &arguments.diff {
        Some(earlier) => earlier::plan(earlier, &arguments.target, terminal)?
            .map(|before| diff_with(&before, &priced.plan, &priced.estimate.expectations)),
        None => None,
    };
    let Priced { plan, map, estimate } = &priced;
    let report = Report {
        estimate,
        advice: recommendations(plan, estimate, loaded.world.catalog(), loaded.world.today()),
        broken: broken(arguments, estimate, change.as_ref()),
        change,
        map,
    };
    report.print(arguments, &loaded, &priced, terminal)?;
    let wrong = match arguments.format {
        // The log holds them already.
        Format::Sarif => findings(&loaded, &priced).has_errors(),
        _ => print_findings(&loaded, &priced, terminal),
    };
    if wrong {
        return Ok(Code::Problems);
    }
    for reason in &report.broken {
        terminal.note(&format!("policy broken: {reason}"));
    }
    let over = estimate.verdicts.iter().any(|verdict| verdict.finding == Standing::Over);
    Ok(if over || !report.broken.is_empty() { Code::Policy } else { Code::Fine })
}

fn broken(arguments: &Arguments, estimate: &Estimate, change: Option<&CostChange>) -> Vec<String> {
    let mut broken: Vec<String> = arguments.fail_on.iter().filter_map(|policy| policy.broken(estimate, change)).collect();
    if let Some(limit) = arguments.fail_over
        && estimate.run.ceiling.known().is_none_or(|ceiling| ceiling > limit)
    {
        broken.push(format!("the ceiling of a run is not proven to be at most {limit} (--fail-over)"));
    }
    broken
}

impl Report<'_> {
    fn print(&self, arguments: &Arguments, loaded: &Loaded, priced: &Priced, terminal: &Terminal) -> Result<()> {
        match arguments.format {
            Format::Text => {
                if let Some(change) = &self.change {
                    terminal.line(&change.text());
                }
                terminal.print(&render::table(self.estimate, &self.advice, self.map));
            }
            Format::Markdown => terminal.print(&self.markdown()),
            Format::Html => terminal.print(&render::html(self.estimate, &self.advice, self.map)),
            Format::Sarif => {
                let mut problems = findings(loaded, priced);
                for reason in &self.broken {
                    problems.push(Problem::new("cost-policy", start(loaded, priced), reason.clone()));
                }
                terminal.print(&problem_render::sarif(&problems, &|file| loaded.read(file)));
            }
            Format::Json => terminal.line(&self.json()?),
        }
        if arguments.unfold && arguments.format == Format::Text {
            terminal.print(&render::unfold(self.estimate, self.map));
        }
        Ok(())
    }

    /// What changed comes first: it is what a reviewer looks for.
    fn markdown(&self) -> String {
        let whole = render::markdown(self.estimate, &self.advice, self.map);
        let mut text = match &self.change {
            Some(change) => {
                format!("{}\n<details><summary>The whole estimate</summary>\n\n{whole}\n</details>\n", change.markdown())
            }
            None => whole,
        };
        for reason in &self.broken {
            text.push_str(&format!("\n**Policy broken**: {reason}\n"));
        }
        text
    }

    fn json(&self) -> Result<String> {
        let mut json = render::json(self.estimate, &self.advice, self.map);
        if let Some(object) = json.as_object_mut() {
            object.insert("change".to_owned(), serde_json::json!(self.change));
            object.insert("policies_broken".to_owned(), serde_json::json!(self.broken));
        }
        serde_json::to_string_pretty(&json).map_err(|error| Failed::new(format!("cannot be written as JSON: {error}")))
    }
}

/// What pricing found wrong, at its place in the source. True when an error is among it.
pub fn print_findings(loaded: &Loaded, priced: &Priced, terminal: &Terminal) -> bool {
    let problems = findings(loaded, priced);
    loaded.print(&problems, terminal);
    problems.all.iter().any(|problem| problem.severity() == Severity::Error)
}

fn findings(loaded: &Loaded, priced: &Priced) -> Problems {
    let mut problems = Problems::default();
    for finding in &priced.estimate.findings {
        problems.push(match span_of(loaded, &priced.map, &finding.path) {
            Some(span) => finding.problem(span),
            None => Problem::new(finding.code, first_byte(loaded), finding.message.clone()).help(finding.help.clone()),
        });
    }
    loaded.heard(problems)
}
/// The word at the place of the step, or of the nearest step around it.
fn span_of(loaded: &Loaded, map: &SourceMap, path: &str) -> Option<Span> {
    let mut path = path;
    let place = loop {
        match map.places.get(path) {
            Some(place) => break place,
            None => path = path.rsplit_once('/')?.0,
        }
    };
    let file = loaded.checked.files.iter().find(|file| *file.path == *place.file)?;
    let line_start: usize = file.text.split_inclusive('\n').take(place.line.saturating_sub(1) as usize).map(str::len).sum();
    let line = file.text.get(line_start..)?;
    let at = line_start + line.chars().take(place.column.saturating_sub(1) as usize).map(char::len_utf8).sum::<usize>();
    let word = file.text.get(at..)?.chars().take_while(|c| c.is_alphanumeric() || *c == '_').map(char::len_utf8).sum::<usize>();
    let bytes = |offset: usize| u32::try_from(offset).ok();
    Some(Span { file: file.id, start: bytes(at)?, end: bytes(at + word.max(1))? })
}

/// Where the flow is declared.
fn start(loaded: &Loaded, priced: &Priced) -> Span {
    span_of(loaded, &priced.map, &priced.plan.flow).unwrap_or_else(|| first_byte(loaded))
}

fn first_byte(loaded: &Loaded) -> Span {
    let file = loaded.checked.files.first().map_or(pmflow_compiler::FileId(0), |file| file.id);
    Span { file, start: 0, end: 0 }
}
