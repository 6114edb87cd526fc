//! The main job on real input: 5,574 messages, a real HTTP provider on this machine that checks every request, three kills
//! with `kill -9`, and books that add up to the token and the pico-dollar.

use crate::process::Folder;
use pmflow_ledger::EntryKind;
use pmflow_plan::{Money, Usage};
use pmflow_providers::scripted::{Asked, Entry, Reply, Scripted};
use pmflow_store::{Store, UsageRow};
use pmflow_store_sqlite::{SqliteOptions, SqliteStore};
use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const MESSAGES: usize = 5574;
/// Of `openai/gpt-6-luna`, $0.10 and $0.50 for a million tokens: worked out here, apart from the product's own pricing.
const INPUT_PICO: u64 = 100_000;
const OUTPUT_PICO: u64 = 500_000;

/// A provider and how many requests it has answered.
pub struct Provider {
    pub server: Scripted,
    pub answered: Arc<AtomicU64>,
    runtime: tokio::runtime::Runtime,
}

impl Provider {
    pub fn start() -> Provider {
        Provider::saying(|asked| Reply::text(format!("{{\"value\":\"{}\"}}", verdict(asked))))
    }

    pub fn saying(rule: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Provider {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime can be made");
        let server = runtime.block_on(Scripted::start()).expect("a port is free");
        let answered = Arc::new(AtomicU64::new(0));
        let count = answered.clone();
        server.otherwise(move |asked| {
            count.fetch_add(1, Ordering::SeqCst);
            rule(asked)
        });
        Provider { server, answered, runtime }
    }

    pub fn base_url(&self) -> String {
        self.server.base_url()
    }

    pub fn command(&self, folder: &Folder, words: &[&str]) -> Command {
        let mut command = folder.command(words);
        command.env("OPENAI_BASE_URL", self.server.base_url()).env("OPENAI_API_KEY", "test");
        command
    }
}

/// Depends on the message alone, so that every run of the flow must come to the same outputs.
fn verdict(asked: &Asked) -> &'static str {
    let text = asked.messages.last().map_or("", |(_, text)| text.as_str());
    let sum: u32 = text.bytes().map(u32::from).sum();
    match sum % 50 {
        0 => "unsure",
        1..8 => "spam",
        _ => "legitimate",
    }
}

fn run(provider: &Provider, folder: &Folder, words: &[&str]) {
    let said = crate::process::said(provider.command(folder, words).output().expect("pmflow can be started"));
    assert_eq!(said.code, Some(0), "{}", said.err);
}

/// Starts a run and kills it as soon as the provider has answered so many requests in all.
fn run_until(provider: &Provider, folder: &Folder, words: &[&str], answered: u64) {
    let mut process: Child =
        provider.command(folder, words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("pmflow can be started");
    while provider.answered.load(Ordering::SeqCst) < answered {
        let ended = process.try_wait().expect("a child can be asked");
        assert!(ended.is_none(), "the run ended before it could be killed");
        std::thread::yield_now();
    }
    process.kill().expect("a child can be killed");
    process.wait().expect("a killed child can be waited for");
}

fn outputs(folder: &Folder) -> Vec<String> {
    let said = folder.pmflow("outputs --format jsonl --fields value,tags");
    assert_eq!(said.code, Some(0), "{}", said.err);
    let mut lines: Vec<String> = said.out.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// The run's own books, from its database.
fn ledger(provider: &Provider, folder: &Folder) -> Vec<UsageRow> {
    provider.runtime.block_on(async {
        let path = folder.path().join(".pmflow/pmflow.sqlite");
        let store = SqliteStore::open(SqliteOptions::at(path)).await.expect("the database can be opened");
        let runs = store.runs(&Default::default(), None, 10).await.expect("runs can be listed");
        let [run] = runs.as_slice() else { panic!("killed and resumed, it is one run, not {}", runs.len()) };
        let mut rows = Vec::new();
        loop {
            let after = rows.last().map_or(0, |row: &UsageRow| row.line);
            let page = store.usage(&run.id, after, 1000).await.expect("the ledger can be read");
            if page.is_empty() {
                return rows;
            }
            rows.extend(page);
        }
    })
}

fn price(usage: &Usage) -> Money {
    assert_eq!(usage.cache_read_tokens.unwrap_or(0) + usage.cache_write_tokens.unwrap_or(0), 0, "nothing is cached here");
    let tokens = |count: Option<u64>| count.expect("this provider reports its counts");
    Money::from_pico(i128::from(tokens(usage.input_tokens) * INPUT_PICO + tokens(usage.output_tokens) * OUTPUT_PICO))
}

fn sum(amounts: impl Iterator<Item = Money>) -> Money {
    amounts.fold(Money::ZERO, |sum, amount| sum.checked_add(amount).expect("small amounts"))
}

/// Every request that the provider billed stands in our books: settled with the same usage and price, or as an unknown
/// outcome of a call that a killed process had sent. Together they are the provider's own record, to the token.
fn books_add_up(provider: &Provider, folder: &Folder, killed: bool) {
    let journal = provider.server.journal();
    let refused: Vec<&Entry> = journal.iter().filter(|entry| entry.refused.is_some()).collect();
    assert!(refused.is_empty(), "the provider refused a request: {:?}", refused.first().map(|entry| &entry.refused));
    let mut billed: BTreeMap<String, Vec<Usage>> = BTreeMap::new();
    for entry in &journal {
        let key = entry.asked.headers.iter().find(|(name, _)| name == "idempotency-key").map(|(_, key)| key.clone());
        billed.entry(key.expect("every request carries its key")).or_default().extend(entry.billed);
    }
    let rows = ledger(provider, folder);
    let of = |kind: EntryKind| rows.iter().filter(move |row| row.entry.kind == kind);
    assert_eq!(of(EntryKind::Settle).count(), MESSAGES, "every message is judged and paid for once");

    let mut reconciled = Vec::new();
    for row in of(EntryKind::Settle) {
        let key = row.idempotency_key.as_ref().expect("a settled call has its key");
        let usage = row.usage.expect("a settled call has its usage");
        let at = billed.get_mut(key).expect("the provider knows every settled call");
        let same = at.iter().position(|billed| price(billed) == price(&usage)).expect("the provider billed the same tokens");
        reconciled.push(at.remove(same));
        assert_eq!(row.entry.charged, price(&usage), "settled at its price, to the pico-dollar");
        assert!(!row.entry.breach);
    }
    let lost: usize = billed.values().map(Vec::len).sum();
    for row in of(EntryKind::Unknown) {
        let key = row.idempotency_key.as_ref().expect("an unknown outcome has its key");
        // Killed before the request arrived, the provider knows nothing of it.
        if let Some(usage) = billed.get_mut(key).and_then(Vec::pop) {
            assert!(row.entry.charged >= price(&usage), "an unknown outcome stays charged with all that it may have cost");
            reconciled.push(usage);
        }
    }
    assert!(billed.values().all(Vec::is_empty), "the provider billed a call that stands nowhere in our books");
    assert_eq!(
        sum(reconciled.iter().map(price)),
        sum(journal.iter().filter_map(|entry| entry.billed).map(|usage| price(&usage)))
    );
    assert_eq!(lost > 0 || of(EntryKind::Unknown).count() > 0, killed, "only a killed run leaves outcomes unknown");
}

#[test]
fn killed_three_times_it_ends_as_if_nothing_had_happened() {
    let words = ["run", "moderation.pmflow", "--yes", "--approvals", "approve", "--progress", "none"];
    let resume = ["run", "--resume", "last", "--yes", "--approvals", "approve", "--progress", "none"];

    let undisturbed = Folder::with_example("content-moderation");
    let provider = Provider::start();
    run(&provider, &undisturbed, &words);
    books_add_up(&provider, &undisturbed, false);
    let expected = outputs(&undisturbed);
    assert_eq!(expected.len(), MESSAGES, "every message has one output");

    let killed = Folder::with_example("content-moderation");
    let provider = Provider::start();
    // Where it is killed differs from run to run, for the provider's count is met at another moment of the run each time.
    run_until(&provider, &killed, &words, 700);
    run_until(&provider, &killed, &resume, 2300);
    run_until(&provider, &killed, &resume, 4800);
    run(&provider, &killed, &resume);
    assert_eq!(outputs(&killed), expected, "the outputs are those of the undisturbed run, each once");
    books_add_up(&provider, &killed, true);
}
