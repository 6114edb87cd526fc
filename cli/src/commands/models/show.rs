//! One model for a person: what it costs, what it takes, and where each fact comes from.

use crate::terminal::{Style, Terminal};
use pmflow_compiler::cost::catalog::facts::{CapFact, Evidence, PriceFacts, TierFacts};
use pmflow_compiler::cost::catalog::{BrokenFact, Entry, ProviderFacts};
use pmflow_plan::CapFidelity;

pub fn show(provider: &ProviderFacts, entry: &Entry, broken: &[&BrokenFact], terminal: &Terminal) {
    terminal.line(&terminal.paint(Style::Strong, &format!("{}/{}", provider.provider, entry.id)));
    if !entry.aliases.is_empty() {
        terminal.line(&format!("  also called {}", entry.aliases.join(", ")));
    }
    section("Prices, in dollars per million tokens", prices(entry), terminal);
    section("Limits", limits(provider, entry), terminal);
    section("What a ceiling rests on", rests_on(provider, entry), terminal);
    let seen = broken.iter().map(|broken| broken.to_string()).collect();
    section("What runs saw otherwise (it is taken for no better since; pmflow.breaches.json)", seen, terminal);
    section("Dates", dates(provider, entry), terminal);
    section("Where the sources disagree (the dearest price counts)", disagreements(entry), terminal);
    let sources = entry.sources.iter().map(|name| {
        let said = provider.sources.get(name).map_or("not explained", String::as_str);
        format!("{name}: {said}")
    });
    section("Sources", sources.collect(), terminal);
}

fn section(title: &str, lines: Vec<String>, terminal: &Terminal) {
    if lines.is_empty() {
        return;
    }
    terminal.line(&format!("\n  {title}"));
    for line in lines {
        terminal.line(&format!("    {line}"));
    }
}

fn prices(entry: &Entry) -> Vec<String> {
    let mut lines = vec![price("now", &entry.price)];
    lines.extend(tiers(&entry.tiers));
    for change in &entry.changes {
        lines.push(price(&format!("from {}", change.from), &change.price));
        lines.extend(tiers(&change.tiers));
    }
    if let Some(batch) = &entry.batch {
        lines.push(price("batch", batch));
        lines.extend(tiers(&entry.batch_tiers));
    }
    if let Some(off_peak) = &entry.off_peak {
        lines.push(price("cheaper hours", &off_peak.price));
        lines.push(format!("  (UTC, days of the week from Monday = 1: {})", off_peak.windows_utc.join("; ")));
    }
    let factors = entry.multipliers.iter().map(|(name, factor)| format!("{name}: {} times every price", String::from(*factor)));
    lines.extend(factors);
    lines
}

fn price(when: &str, price: &PriceFacts) -> String {
    let rates = price.named().into_iter().map(|(name, rate)| format!("{name} ${}", String::from(rate)));
    format!("{when:<14} {}", rates.collect::<Vec<_>>().join("   "))
}

fn tiers(tiers: &[TierFacts]) -> Vec<String> {
    let line =
        |tier: &TierFacts| price(&format!("  above {} tokens of input, the whole request", tier.above_input_tokens), &tier.price);
    tiers.iter().map(line).collect()
}

fn limits(provider: &ProviderFacts, entry: &Entry) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(tokens) = entry.context_tokens_max {
        let what = if entry.context_is_input { "input alone" } else { "input and output together" };
        lines.push(format!("window         {tokens} tokens, {what}"));
    }
    lines.extend(entry.input_tokens_max.map(|tokens| format!("input          at most {tokens} tokens")));
    lines.extend(entry.output_tokens_max.map(|tokens| format!("output         at most {tokens} tokens")));
    for (feature, supported) in &entry.supports {
        lines.push(format!("{:<14} {}", feature.replace('_', " "), if *supported { "yes" } else { "no" }));
    }
    if entry.thinking_always_on {
        lines.push("thinking       always on; it counts as output".to_owned());
    }
    let prefix = entry.cache_prefix_tokens_min;
    lines.extend(prefix.map(|tokens| format!("cached prefix  of at least {tokens} tokens")));
    if provider.api.is_none() {
        lines.push("address        your own (`base_url`): the provider has none that fits everybody".to_owned());
    }
    lines
}

fn rests_on(provider: &ProviderFacts, entry: &Entry) -> Vec<String> {
    let cap = entry.cap.as_ref().unwrap_or(&provider.cap);
    let mut lines = vec![format!("output cap     {}", fidelity(cap)), sourced(&cap.source, cap.date)];
    match (&entry.encoding, &provider.calibration) {
        (Some(encoding), _) => lines.push(format!("token count    exact, encoding {encoding}")),
        (None, Some(fact)) => {
            let times = format!("{}.{:02}", fact.tokens_milli / 1000, fact.tokens_milli % 1000 / 10);
            lines.push(format!(
                "token count    no public tokenizer; {times} times what o200k_base makes, digits and other scripts by bytes"
            ));
            lines.push(sourced(&fact.source, fact.date));
        }
        (None, None) => {
            lines.push("token count    no public tokenizer; four bytes per declared token, each charged as a token".to_owned())
        }
    }
    let overhead = &provider.overhead;
    lines.push(format!(
        "framing        {} tokens per request, {} per message, {} and the schema's bytes where there is one",
        overhead.per_request_tokens, overhead.per_message_tokens, overhead.per_schema_tokens
    ));
    lines.push(sourced(&overhead.source, overhead.date));
    lines
}

fn fidelity(cap: &CapFact) -> String {
    let kept = match cap.fidelity {
        CapFidelity::Hard => "hard: never passed".to_owned(),
        CapFidelity::Soft { slack_tokens } => format!("soft: passed by at most {slack_tokens} tokens, which are counted in"),
        CapFidelity::None => "none: nobody says that it is kept, so there is no proven ceiling".to_owned(),
    };
    let known = match cap.evidence {
        Evidence::Vendor => "the provider says so",
        Evidence::Reported => "by all reports, the provider does not say so",
        Evidence::Unknown => "nothing is known",
    };
    format!("{kept} ({known})")
}

fn sourced(source: &str, date: impl std::fmt::Display) -> String {
    format!("               {source}; {date}")
}

fn dates(provider: &ProviderFacts, entry: &Entry) -> Vec<String> {
    let mut lines = vec![format!("facts          as of {}", provider.as_of)];
    lines.extend(entry.released.map(|day| format!("released       {day}")));
    if let Some(day) = entry.shutdown {
        let source = entry.shutdown_source.as_ref().map(|source| format!(" ({source})")).unwrap_or_default();
        lines.push(format!("ends           {day}{source}"));
    }
    lines
}

fn disagreements(entry: &Entry) -> Vec<String> {
    let line = |(field, values): (&String, &std::collections::BTreeMap<String, String>)| {
        let values: Vec<String> = values.iter().map(|(source, value)| format!("{source} {value}")).collect();
        format!("{field}: {}", values.join(", "))
    };
    entry.disagree.iter().map(line).collect()
}
