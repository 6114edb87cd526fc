use crate::exit::{Code, Failed, Result};
use crate::loading::{Loaded, Priced, Target, load_flow};
use crate::terminal::Terminal;
use pmflow_compiler::cost::{Catalog, Standing, recommendations, render};
use pmflow_compiler::problems::{Problem, Problems, Severity};
use pmflow_compiler::{Span, World as _};
use pmflow_plan::SourceMap;

/// Prove what a run can cost at most, and say what it will probably cost
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pmflow cost leads.pmflow
  pmflow cost leads.pmflow:qualify_leads --unfold    every number down to its source line
  pmflow cost leads.pmflow --format json
  pmflow cost leads.pmflow --fail-over 5.00          exit code 2 when a run's ceiling is above $5")]
pub struct Arguments {
    /// FILE, or FILE:FLOW where a file has several flows
    #[arg(value_name = "FLOW")]
    target: Target,

    #[arg(long, value_enum, default_value = "text")]
    format: Format,

    /// Show how each number is made, down to the source line.
    #[arg(long)]
    unfold: bool,

    /// Exit with 2 when the ceiling of a run is above so many dollars, or not proven.
    #[arg(long, value_name = "DOLLARS", value_parser = super::run::dollars)]
    fail_over: Option<pmflow_plan::Money>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Markdown,
}

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    let Some((loaded, priced)) = load_flow(&arguments.target, terminal)? else { return Ok(Code::Problems) };
    let Priced { plan, map, estimate } = &priced;
    let advice = recommendations(plan, estimate, Catalog::builtin(), loaded.world.today());
    match arguments.format {
        Format::Text => terminal.print(&render::table(estimate, &advice, map)),
        Format::Markdown => terminal.print(&render::markdown(estimate, &advice, map)),
        Format::Json => {
            let json = serde_json::to_string_pretty(&render::json(estimate, &advice, map));
            terminal.line(&json.map_err(|error| Failed::new(format!("cannot be written as JSON: {error}")))?);
        }
    }
    if arguments.unfold {
        terminal.print(&render::unfold(estimate, map));
    }
    if print_findings(&loaded, &priced, terminal) {
        return Ok(Code::Problems);
    }
    let over = estimate.verdicts.iter().any(|verdict| verdict.finding == Standing::Over);
    if let Some(limit) = arguments.fail_over
        && estimate.run.ceiling.known().is_none_or(|ceiling| ceiling > limit)
    {
        terminal.note(&format!("the ceiling of a run is not proven to be at most {limit} (--fail-over)"));
        return Ok(Code::Policy);
    }
    Ok(if over { Code::Policy } else { Code::Fine })
}

/// What pricing found wrong, at its place in the source. True when an error is among it.
pub fn print_findings(loaded: &Loaded, priced: &Priced, terminal: &Terminal) -> bool {
    let mut problems = Problems::default();
    for finding in &priced.estimate.findings {
        problems.push(match span_of(loaded, &priced.map, &finding.path) {
            Some(span) => finding.problem(span),
            None => Problem::new(finding.code, start(loaded), finding.message.clone()).help(finding.help.clone()),
        });
    }
    let problems = loaded.heard(problems);
    loaded.print(&problems, terminal);
    problems.all.iter().any(|problem| problem.severity() == Severity::Error)
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

fn start(loaded: &Loaded) -> Span {
    let file = loaded.checked.files.first().map_or(pmflow_compiler::FileId(0), |file| file.id);
    Span { file, start: 0, end: 0 }
}
