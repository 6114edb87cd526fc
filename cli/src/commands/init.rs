use crate::disk::reason;
use crate::exit::{Code, Failed, Result};
use crate::terminal::{Style, Terminal};
use std::path::{Path, PathBuf};

/// Make a folder with a first flow, commented, and its test
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  pmflow init hello      in the new folder hello/\n  pmflow init            in this folder")]
pub struct Arguments {
    /// The folder; made when it is not there. Existing files are never touched.
    #[arg(default_value = ".")]
    folder: PathBuf,
}

const FILES: [(&str, &str); 3] = [
    ("feedback.pmflow", include_str!("init/feedback.pmflow")),
    ("feedback.csv", include_str!("init/feedback.csv")),
    ("pmflow.toml", include_str!("init/pmflow.toml")),
];

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    let folder = &arguments.folder;
    for (name, _) in FILES {
        if folder.join(name).symlink_metadata().is_ok() {
            return Err(Failed::new(format!("`{}` is there already; nothing was written", folder.join(name).display()))
                .help("choose another folder: pmflow init NAME"));
        }
    }
    std::fs::create_dir_all(folder)
        .map_err(|error| Failed::new(format!("cannot make the folder `{}`: {}", folder.display(), reason(&error))))?;
    for (name, text) in FILES {
        write_new(&folder.join(name), text)?;
    }
    let written = folder.join("feedback.pmflow");
    let written = written.strip_prefix(".").unwrap_or(&written).display();
    terminal.line(&format!("{} {written}, its data and pmflow.toml", terminal.paint(Style::Good, "wrote")));
    terminal.line("\nNext:");
    if folder != Path::new(".") {
        terminal.line(&format!("  cd {}", folder.display()));
    }
    // Runs are recorded in the folder of the project, so that is where to stand.
    let flow = "feedback.pmflow";
    for (command, what) in [
        (format!("pmflow check {flow}"), "is it right?"),
        (format!("pmflow test  {flow}"), "run its test, offline"),
        (format!("pmflow cost  {flow}"), "what can a run cost at most?"),
        (format!("pmflow run   {flow} --simulate"), "run it offline with a simulated model"),
    ] {
        terminal.line(&format!("  {command:<44} {}", terminal.paint(Style::Quiet, what)));
    }
    Ok(Code::Fine)
}

fn write_new(path: &Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Failed::new(format!("cannot write `{}`: {}", path.display(), reason(&error))))
}
