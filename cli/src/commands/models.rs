mod show;

use crate::exit::{Code, Failed, Result};
use crate::project::Project;
use crate::terminal::{Style, Terminal};
use pmflow_compiler::cost::catalog::{BrokenFact, Entry, ProviderFacts};
use pmflow_compiler::cost::{Catalog, ModelOptions, Unresolved};
use serde_json::json;

/// List the model catalog: prices, windows, caps, sources
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  pmflow models                       all models with prices
  pmflow models claude                those whose id contains `claude`
  pmflow models show openai/gpt-6-luna     everything that is known of one, with its sources
  pmflow models --format json

Where a project pins its prices (pmflow.lock), those are shown.")]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    show: Option<Show>,

    /// A part of ids.
    filter: Option<String>,

    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Debug, clap::Subcommand)]
enum Show {
    /// Everything that is known of one model: prices, limits, and the source and date of each fact
    Show {
        /// As in `openai/gpt-6-luna`.
        id: String,

        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
}

pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<Code> {
    let pinned = Project::here()?.catalog()?;
    let catalog = pinned.as_ref().unwrap_or_else(|| Catalog::builtin());
    if let Some(Show::Show { id, format }) = &arguments.show {
        let (provider, entry) = catalog.entry(id).ok_or_else(|| unknown(catalog, id))?;
        return one(catalog, (provider, entry), *format, terminal);
    }
    let filter = arguments.filter.as_deref().unwrap_or("");
    if let Some((provider, entry)) = catalog.entry(filter) {
        return one(catalog, (provider, entry), arguments.format, terminal);
    }
    let matching: Vec<(&ProviderFacts, &Entry)> =
        catalog.entries().filter(|(provider, entry)| id(provider, entry).contains(filter)).collect();
    if matching.is_empty() {
        return Err(unknown(catalog, filter));
    }
    match arguments.format {
        Format::Json => {
            let models: Vec<_> = matching.iter().map(|(provider, entry)| as_json(catalog, provider, entry)).collect();
            print_json(&json!({ "version": 1, "catalog": catalog.hash(), "models": models }), terminal)?;
        }
        Format::Table => table(catalog, &matching, terminal),
    }
    Ok(Code::Fine)
}

fn one(catalog: &Catalog, (provider, entry): (&ProviderFacts, &Entry), format: Format, terminal: &Terminal) -> Result<Code> {
    match format {
        Format::Json => print_json(&as_json(catalog, provider, entry), terminal)?,
        Format::Table => show::show(provider, entry, &broken(catalog, provider, entry), terminal),
    }
    Ok(Code::Fine)
}

/// What is wrong with the id, and the nearest ones.
fn unknown(catalog: &Catalog, id: &str) -> Failed {
    match catalog.resolve_with(id, &ModelOptions::default()) {
        Err(unresolved) if matches!(unresolved, Unresolved::Unpriced { .. } | Unresolved::WithoutProvider { .. }) => {
            Failed::new(unresolved.to_string()).help(unresolved.help())
        }
        Err(unresolved) => Failed::new(format!("the catalog has no model `{id}`")).help(unresolved.help()),
        Ok(_) => Failed::new(format!("the catalog has no model `{id}`")).help("`pmflow models` lists all of them"),
    }
}

fn id(provider: &ProviderFacts, entry: &Entry) -> String {
    format!("{}/{}", provider.provider, entry.id)
}

fn as_json(catalog: &Catalog, provider: &ProviderFacts, entry: &Entry) -> serde_json::Value {
    let broken = broken(catalog, provider, entry);
    json!({ "model": id(provider, entry), "as_of": provider.as_of, "facts": entry, "broken": broken })
}

/// What runs of this project saw otherwise.
fn broken<'a>(catalog: &'a Catalog, provider: &ProviderFacts, entry: &Entry) -> Vec<&'a BrokenFact> {
    catalog.broken(&id(provider, entry)).collect()
}

fn print_json(value: &serde_json::Value, terminal: &Terminal) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failed::new(format!("cannot be written as JSON: {error}")))?;
    terminal.line(&text);
    Ok(())
}

fn table(catalog: &Catalog, models: &[(&ProviderFacts, &Entry)], terminal: &Terminal) {
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
        if !broken(catalog, provider, entry).is_empty() {
            notes.push("passed a bound in a run".to_owned());
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
