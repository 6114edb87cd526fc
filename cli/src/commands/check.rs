use crate::disk::flow_files;
use crate::exit::{Code, Result};
use crate::loading::load;
use crate::terminal::{Style, Terminal};
use pmflow_compiler::problems::render;
use std::mem::ManuallyDrop;
use std::path::PathBuf;

/// Check files: every mistake, in one go
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pmflow check                        every .pmflow file below this folder
  pmflow check leads.pmflow
  pmflow check --format github        annotations on a pull request
  pmflow check --format sarif > problems.sarif")]
pub struct Arguments {
    /// Files and folders.
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,

    #[arg(long, value_enum, default_value = "human")]
    format: Format,

    /// Warnings fail as well.
    #[arg(long)]
    deny_warnings: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Human,
    Json,
    Sarif,
    Github,
}

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    let files = flow_files(&arguments.paths)?;
    // The process ends behind this: nothing is won by taking a large project apart, piece by piece.
    let loaded = ManuallyDrop::new(load(&files)?);
    let problems = &loaded.checked.problems;
    let read = |file| loaded.read(file);
    match arguments.format {
        Format::Human => loaded.print_problems(terminal),
        Format::Json => terminal.print(&render::json(problems, &read)),
        Format::Sarif => terminal.print(&render::sarif(problems, &read)),
        Format::Github => terminal.print(&render::github(problems, &read)),
    }
    let warned = arguments.deny_warnings && !problems.all.is_empty();
    if !loaded.passes() || warned {
        return Ok(Code::Problems);
    }
    if arguments.format == Format::Human {
        let count = match files.len() {
            1 => "1 file".to_owned(),
            count => format!("{count} files"),
        };
        terminal.note(&format!("{} {count} checked", crate::terminal::paint(terminal.color_on_stderr(), Style::Good, "fine:")));
    }
    Ok(Code::Fine)
}
