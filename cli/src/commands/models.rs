use crate::exit::{Code, Failed, Result};
use crate::terminal::{Style, Terminal};
use pmflow_compiler::cost::catalog::{Entry, ProviderFacts};
use pmflow_compiler::cost::{Catalog, ModelOptions};
use serde_json::json;

/// List the model catalog: prices, windows, caps, sources
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pmflow models                       all models with prices
  pmflow models claude                those whose id contains `claude`
  pmflow models openai/gpt-6-luna     everything that is known of one, with its sources
  pmflow models --format json")]
pub struct Arguments {
    /// A model's id, or a part of ids.
    filter: Option<String>,

    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
}

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    let catalog = Catalog::builtin();
    let filter = arguments.filter.as_deref().unwrap_or("");
    if let Some((provider, entry)) = catalog.entry(filter) {
        return one(provider, entry, arguments.format, terminal);
    }
    let matching: Vec<(&ProviderFacts, &Entry)> =
        catalog.entries().filter(|(provider, entry)| id(provider, entry).contains(filter)).collect();
    if matching.is_empty() {
        let near = match catalog.resolve_with(filter, &ModelOptions::default()) {
            Err(unresolved) => unresolved.help(),
            Ok(_) => String::new(),
        };
        let failed = Failed::new(format!("the catalog has no model `{filter}`"));
        return Err(failed.help(if near.is_empty() { "`pmflow models` lists all of them".to_owned() } else { near }));
    }
    match arguments.format {
        Format::Json => {
            let models: Vec<_> = matching.iter().map(|(provider, entry)| as_json(provider, entry)).collect();
            print_json(&json!({ "version": 1, "catalog": catalog.hash(), "models": models }), terminal)?;
        }
        Format::Table => table(&matching, terminal),
    }
    Ok(Code::Fine)
}

fn id(provider: &ProviderFacts, entry: &Entry) -> String {
    format!("{}/{}", provider.provider, entry.id)
}

fn as_json(provider: &ProviderFacts, entry: &Entry) -> serde_json::Value {
    json!({ "model": id(provider, entry), "as_of": provider.as_of, "facts": entry })
}

fn print_json(value: &serde_json::Value, terminal: &Terminal) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failed::new(format!("cannot be written as JSON: {error}")))?;
    terminal.line(&text);
    Ok(())
}

fn table(models: &[(&ProviderFacts, &Entry)], terminal: &Terminal) {
    let width = models.iter().map(|(provider, entry)| id(provider, entry).len()).max().unwrap_or(0);
    let head = format!("{:<width$}  {:>9}  {:>9}  {:>9}  {:>9}  {}", "model", "input", "output", "window", "max out", "notes");
    terminal.line(&terminal.paint(Style::Strong, &head));
    for (provider, entry) in models {
        let mut notes = Vec::new();
        if let Some(day) = &entry.shutdown {
            notes.push(format!("ends {day}"));
        }
        if let Some(tier) = entry.tiers.first() {
            notes.push(format!("dearer above {} tokens", tier.above_input_tokens));
        }
        if let Some(change) = entry.changes.first() {
            notes.push(format!("price changes {}", change.from));
        }
        if !entry.disagree.is_empty() {
            notes.push("sources disagree".to_owned());
        }
        let tokens = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
        terminal.line(&format!(
            "{:<width$}  {:>9}  {:>9}  {:>9}  {:>9}  {}",
            id(provider, entry),
            format!("${}", String::from(entry.price.input)),
            format!("${}", String::from(entry.price.output)),
            tokens(entry.context_tokens_max),
            tokens(entry.output_tokens_max),
            terminal.paint(Style::Quiet, &notes.join(", ")),
        ));
    }
    terminal.line(
        &terminal.paint(Style::Quiet, "\nDollars per million tokens. Where sources disagree the ceiling takes the dearest."),
    );
}

fn one(provider: &ProviderFacts, entry: &Entry, format: Format, terminal: &Terminal) -> Result<Code> {
    let mut facts = as_json(provider, entry);
    if format == Format::Json {
        print_json(&facts, terminal)?;
        return Ok(Code::Fine);
    }
    terminal.line(&terminal.paint(Style::Strong, &id(provider, entry)));
    let Some(facts) = facts.get_mut("facts").map(serde_json::Value::take) else { return Ok(Code::Fine) };
    lines(&facts, 1, terminal);
    terminal.line(&format!("  as of: {}", provider.as_of));
    for source in &entry.sources {
        let said = provider.sources.get(source).map_or("", String::as_str);
        terminal.line(&terminal.paint(Style::Quiet, &format!("  {source}: {said}")));
    }
    Ok(Code::Fine)
}

/// Nested facts as indented `name: value` lines.
fn lines(value: &serde_json::Value, depth: usize, terminal: &Terminal) {
    let Some(fields) = value.as_object() else { return };
    for (name, value) in fields {
        let indent = "  ".repeat(depth);
        let empty = value.is_null()
            || value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(serde_json::Map::is_empty);
        match value {
            _ if empty => {}
            serde_json::Value::Object(_) => {
                terminal.line(&format!("{indent}{name}:"));
                lines(value, depth + 1, terminal);
            }
            serde_json::Value::String(text) => terminal.line(&format!("{indent}{name}: {text}")),
            other => terminal.line(&format!("{indent}{name}: {other}")),
        }
    }
}
