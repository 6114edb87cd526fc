use crate::exit::{Code, Failed, Result};
use crate::format::{clip, moment, table};
use crate::project::Project;
use crate::store::{block_on, failed, find, open_existing};
use crate::terminal::Terminal;
use pmflow_plan::Value;
use pmflow_store::{OutputFilter, Store as _, StoredOutput};
use serde_json::json;
use std::collections::BTreeSet;

/// Read stored outputs, oldest run first
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pmflow outputs                                 all of the last run
  pmflow outputs --run all --flow moderate --tag spam --since 7d
  pmflow outputs --format csv > spam.csv         safe to open in a spreadsheet
  pmflow outputs --format jsonl --fields value")]
pub struct Arguments {
    /// A run's id, the beginning of one, `last`, or `all`.
    #[arg(long, default_value = "last")]
    run: String,

    /// Only those of this flow.
    #[arg(long)]
    flow: Option<String>,

    /// Only those with this tag.
    #[arg(long)]
    tag: Option<String>,

    /// Stored since: 2026-11-22, 2026-11-22T16:45:00Z, 2h, 7d.
    #[arg(long, value_parser = crate::format::parse_moment)]
    since: Option<i64>,

    /// Stored before.
    #[arg(long, value_parser = crate::format::parse_moment)]
    until: Option<i64>,

    #[arg(long, value_enum, default_value = "table")]
    format: Format,

    /// For json and jsonl: which of run, flow, step, at, simulated, tags, value.
    #[arg(long, value_delimiter = ',', value_parser = ["run", "flow", "step", "at", "simulated", "tags", "value"])]
    fields: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Csv,
    Json,
    Jsonl,
}

const PAGE: u32 = 1000;

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    let project = Project::here()?;
    block_on(async {
        let store = open_existing(&project).await?;
        let run = match arguments.run.as_str() {
            "all" => None,
            wanted => Some(find(&store, wanted).await?.id),
        };
        let filter = OutputFilter {
            run,
            flow: arguments.flow.clone(),
            tag: arguments.tag.clone(),
            from: arguments.since,
            until: arguments.until,
        };
        let mut writer = Writer::new(arguments, terminal);
        let mut after = None;
        loop {
            let page = store.outputs(&filter, after.as_ref(), PAGE).await.map_err(failed)?;
            let Some(last) = page.last() else { break };
            after = Some(last.cursor.clone());
            writer.page(&page)?;
        }
        writer.end()?;
        Ok(Code::Fine)
    })
}

/// Formats whose columns depend on all rows wait for the end; the others are written page by page.
struct Writer<'a> {
    format: Format,
    fields: &'a [String],
    terminal: &'a Terminal,
    rows: Vec<StoredOutput>,
    written: u64,
    simulated: u64,
    pruned: u64,
}

impl<'a> Writer<'a> {
    fn new(arguments: &'a Arguments, terminal: &'a Terminal) -> Writer<'a> {
        Writer {
            format: arguments.format,
            fields: &arguments.fields,
            terminal,
            rows: Vec::new(),
            written: 0,
            simulated: 0,
            pruned: 0,
        }
    }

    fn page(&mut self, page: &[StoredOutput]) -> Result<()> {
        self.pruned += page.iter().filter(|output| output.value.is_none()).count() as u64;
        self.simulated += page.iter().filter(|output| output.simulated).count() as u64;
        match self.format {
            Format::Table | Format::Csv => self.rows.extend_from_slice(page),
            Format::Json => {
                for output in page {
                    let before = if self.written == 0 { "[\n" } else { ",\n" };
                    self.written += 1;
                    self.terminal.print(&format!("{before}  {}", self.json(output)));
                }
            }
            Format::Jsonl => {
                let lines: String = page.iter().map(|output| format!("{}\n", self.json(output))).collect();
                self.terminal.print(&lines);
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        match self.format {
            Format::Table if self.rows.is_empty() => {
                self.terminal.note("no outputs match; `--run all` looks at every run, `pmflow runs` lists them");
            }
            Format::Table => self.table(),
            Format::Csv => self.csv()?,
            Format::Json => self.terminal.line(if self.written == 0 { "[]" } else { "\n]" }),
            Format::Jsonl => {}
        }
        if self.simulated > 0 {
            self.terminal
                .note(&format!("note: {} made up by the simulated model", crate::format::plural(self.simulated, "output")));
        }
        if self.pruned > 0 {
            let pruned = crate::format::plural(self.pruned, "output");
            self.terminal.note(&format!(
                "note: the values of {pruned} were pruned; [retention] in pmflow.toml says how long they are kept"
            ));
        }
        Ok(())
    }

    fn json(&self, output: &StoredOutput) -> serde_json::Value {
        let mut whole = json!({
            "run": output.run.to_string(),
            "flow": output.flow,
            "step": output.step.as_str(),
            "at": moment(output.at),
            "simulated": output.simulated,
            "tags": output.tags,
            "value": output.value.as_ref().map(Value::to_json),
        });
        if let (None, Some(fields)) = (&output.value, whole.as_object_mut()) {
            fields.insert("pruned".to_owned(), json!(true));
        }
        if let Some(fields) = whole.as_object_mut().filter(|_| !self.fields.is_empty()) {
            fields.retain(|name, _| self.fields.contains(name));
        }
        whole
    }

    fn table(&self) {
        let rows: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|output| vec![output.step.to_string(), output.tags.join(", "), shown(output.value.as_ref())])
            .collect();
        self.terminal.print(&table(&["step", "tags", "value"], &rows));
    }

    /// A column for each field that any record has; other values in the column `value`.
    fn csv(&self) -> Result<()> {
        let mut columns: Vec<String> = Vec::new();
        let mut known = BTreeSet::new();
        for output in &self.rows {
            for name in output.value.as_ref().map(fields_of).unwrap_or_default() {
                if known.insert(name.to_owned()) {
                    columns.push(name.to_owned());
                }
            }
        }
        let mut writer = csv::Writer::from_writer(Vec::new());
        let failed = |error: &dyn std::fmt::Display| Failed::new(format!("cannot be written as CSV: {error}"));
        let heads = ["run", "flow", "step", "tags"].map(str::to_owned).into_iter().chain(columns.iter().cloned());
        writer.write_record(heads.map(|head| formula_safe(&head))).map_err(|error| failed(&error))?;
        for output in &self.rows {
            let fixed = [output.run.to_string(), output.flow.clone(), output.step.to_string(), output.tags.join(" ")];
            let cells = columns.iter().map(|column| output.value.as_ref().map(|value| cell(value, column)).unwrap_or_default());
            writer
                .write_record(fixed.into_iter().chain(cells).map(|cell| formula_safe(&cell)))
                .map_err(|error| failed(&error))?;
        }
        let bytes = writer.into_inner().map_err(|error| failed(&error))?;
        self.terminal.print(&String::from_utf8_lossy(&bytes));
        Ok(())
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "(pruned)".to_owned(), |value| clip(&value.to_text(), 100))
}

fn fields_of(value: &Value) -> Vec<&str> {
    match value {
        Value::Record(record) => record.fields.iter().map(|(name, _)| &**name).collect(),
        _ => vec!["value"],
    }
}

fn cell(value: &Value, column: &str) -> String {
    match value {
        Value::Record(record) => record.get(column).map(Value::to_text).unwrap_or_default(),
        other if column == "value" => other.to_text(),
        _ => String::new(),
    }
}

/// A spreadsheet takes a cell that begins like a formula for one; an apostrophe before it makes it text. Numbers stay.
pub fn formula_safe(cell: &str) -> String {
    let dangerous = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err();
    if dangerous { format!("'{cell}") } else { cell.to_owned() }
}
