use crate::disk::{read_text, reason};
use crate::exit::{Code, Failed, Result};
use crate::terminal::{Style, Terminal};
use pmflow_compiler::FileId;
use pmflow_compiler::format::format;
use std::path::{Path, PathBuf};

/// Give files the one layout
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pmflow fmt                     every .pmflow file below this folder
  pmflow fmt --check flows/      exit code 1 when a file would change
  pmflow fmt - < leads.pmflow    from standard input to standard output")]
pub struct Arguments {
    /// Files and folders; `-` reads standard input and writes standard output.
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,

    /// Change nothing; name the files that would change.
    #[arg(long)]
    check: bool,
}

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    if arguments.paths.iter().any(|path| path == Path::new("-")) {
        return standard_input(terminal);
    }
    let files = crate::disk::flow_files(&arguments.paths)?;
    let mut changed = 0;
    for path in &files {
        let text = read_text(path).map_err(|reason| Failed::new(format!("cannot read `{}`: {reason}", path.display())))?;
        let formatted = format(FileId(0), &text);
        if formatted == text {
            continue;
        }
        changed += 1;
        let verb = if arguments.check { "would format" } else { "formatted" };
        if !arguments.check {
            replace(path, &formatted)?;
        }
        terminal.line(&format!("{} {}", terminal.paint(Style::Strong, verb), path.display()));
    }
    if arguments.check && changed > 0 {
        terminal.note(&format!("{changed} of {} files would change; run `pmflow fmt` to change them", files.len()));
        return Ok(Code::Problems);
    }
    Ok(Code::Fine)
}

fn standard_input(terminal: &Terminal) -> Result<Code> {
    let text = std::io::read_to_string(std::io::stdin())
        .map_err(|error| Failed::new(format!("cannot read standard input: {}", reason(&error))))?;
    terminal.print(&format(FileId(0), &text));
    Ok(Code::Fine)
}

/// Writes beside the file and renames, so that a crash or a full disk never leaves half a file.
fn replace(path: &Path, text: &str) -> Result<()> {
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = target.with_file_name(name);
    let written = std::fs::write(&beside, text)
        .and_then(|()| std::fs::set_permissions(&beside, std::fs::metadata(&target)?.permissions()))
        .and_then(|()| std::fs::rename(&beside, &target));
    written.map_err(|error| {
        // What is left of the attempt is of no use to anybody.
        let _ = std::fs::remove_file(&beside);
        Failed::new(format!("cannot write `{}`: {}", path.display(), reason(&error))).help("the file is as it was")
    })
}
