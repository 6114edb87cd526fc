//! Rows as they go out: each as it comes, or in groups, in the format and to the place that were asked for.

use super::Format;
use super::columns::{Column, Read};
use super::parquet::Groups;
use crate::commands::outputs::formula_safe;
use crate::disk::reason;
use crate::exit::{Failed, Result};
use crate::format::moment;
use crate::terminal::Terminal;
use serde_json::Value;
use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

/// Binary data would only disturb a terminal.
pub fn refuse_terminal() -> Result<()> {
    if !std::io::stdout().is_terminal() {
        return Ok(());
    }
    Err(Failed::new("Parquet is binary, and standard output is a terminal")
        .help("name a file: --output runs.parquet, or send it on: > runs.parquet"))
}

/// Where the rows go.
#[derive(Debug)]
pub enum Target<'t> {
    Standard(&'t Terminal),
    File { file: BufWriter<File>, beside: PathBuf, path: PathBuf },
}

impl<'t> Target<'t> {
    /// A file is written beside the one that is meant and takes its place at the end, so that nobody finds half of it.
    pub fn open(path: Option<&Path>, terminal: &'t Terminal) -> Result<Target<'t>> {
        let Some(path) = path else { return Ok(Target::Standard(terminal)) };
        let Some(name) = path.file_name() else {
            return Err(Failed::new(format!("`{}` names no file", path.display())).help("write --output runs.parquet"));
        };
        let mut name = name.to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let beside = path.with_file_name(name);
        let file = File::create(&beside).map_err(|error| not_written(path, &error))?;
        Ok(Target::File { file: BufWriter::new(file), beside, path: path.to_owned() })
    }

    fn end(mut self) -> Result<()> {
        let Target::File { file, beside, path } = &mut self else { return Ok(()) };
        let written = file.flush().and_then(|()| std::fs::rename(&*beside, &*path));
        written.map_err(|error| not_written(path, &error))
    }
}

impl Write for Target<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Target::Standard(terminal) => {
                terminal.print_bytes(bytes);
                Ok(bytes.len())
            }
            Target::File { file, .. } => file.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Target::Standard(_) => Ok(()),
            Target::File { file, .. } => file.flush(),
        }
    }
}

impl Drop for Target<'_> {
    fn drop(&mut self) {
        if let Target::File { beside, .. } = self {
            // Renamed, or of no use to anybody.
            let _ = std::fs::remove_file(beside);
        }
    }
}

fn not_written(path: &Path, error: &std::io::Error) -> Failed {
    Failed::new(format!("cannot write `{}`: {}", path.display(), reason(error))).help("nothing of it was changed")
}

pub struct Rows<'t, Row: 'static> {
    columns: &'static [Column<Row>],
    form: Form<'t, Row>,
}

enum Form<'t, Row: 'static> {
    Csv { target: Target<'t>, is_headed: bool },
    Jsonl(Target<'t>),
    Parquet(Box<Groups<Row, Target<'t>>>),
}

impl<'t, Row> Rows<'t, Row> {
    pub fn new(format: Format, columns: &'static [Column<Row>], target: Target<'t>) -> Result<Rows<'t, Row>> {
        let form = match format {
            Format::Csv => Form::Csv { target, is_headed: false },
            Format::Jsonl => Form::Jsonl(target),
            Format::Parquet => Form::Parquet(Box::new(Groups::new(columns, target)?)),
        };
        Ok(Rows { columns, form })
    }

    pub fn write(&mut self, row: &Row) -> Result<()> {
        match &mut self.form {
            Form::Csv { target, is_headed } => {
                let mut bytes = Vec::new();
                if !std::mem::replace(is_headed, true) {
                    csv_line(&mut bytes, self.columns.iter().map(|column| column.name.to_owned()))?;
                }
                csv_line(&mut bytes, self.columns.iter().map(|column| formula_safe(&cell(&json(&column.read, row)))))?;
                target.write_all(&bytes).map_err(|error| stopped(&error))
            }
            Form::Jsonl(target) => {
                let fields = self.columns.iter().map(|column| (column.name.to_owned(), json(&column.read, row)));
                writeln!(target, "{}", Value::Object(fields.collect())).map_err(|error| stopped(&error))
            }
            Form::Parquet(groups) => groups.take(row),
        }
    }

    /// Only now a file stands where it was asked for.
    pub fn end(self) -> Result<()> {
        match self.form {
            Form::Csv { target, .. } | Form::Jsonl(target) => target.end(),
            Form::Parquet(groups) => groups.end()?.end(),
        }
    }
}

fn stopped(error: &std::io::Error) -> Failed {
    Failed::new(format!("the rows cannot be written: {}", reason(error)))
}

fn csv_line(bytes: &mut Vec<u8>, cells: impl Iterator<Item = String>) -> Result<()> {
    let mut writer = csv::Writer::from_writer(bytes);
    let written = writer.write_record(cells).and_then(|()| writer.flush().map_err(csv::Error::from));
    written.map_err(|error| Failed::new(format!("cannot be written as CSV: {error}")))
}

fn json<Row>(read: &Read<Row>, row: &Row) -> Value {
    match read {
        Read::Text(read) => read(row).into(),
        Read::Flag(read) => read(row).into(),
        Read::Count(read) => read(row).into(),
        Read::Money(read) => read(row).map(|money| money.to_decimal()).into(),
        Read::Time(read) => read(row).map(moment).into(),
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
