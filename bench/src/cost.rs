//! How long pricing takes, how its memory grows, and how fast tokens are counted. In this process, warm: the tables of the
//! encoding are loaded, as they are in an editor.

use pmflow_compiler::cost::tokens::{Encoding, Tokenizer as _};
use pmflow_compiler::cost::{Catalog, estimate, price_with};
use pmflow_compiler::emit;
use pmflow_compiler::types::check_project;
use pmflow_compiler::world::MemoryWorld;
use pmflow_plan::Plan;
use std::time::{Duration, Instant};

const TIMES: usize = 21;

pub fn cost() {
    println!("pricing, median of {TIMES}:");
    for (steps, goal_ms) in [(200, 50), (2_000, 500), (20_000, 0)] {
        let source = source(steps);
        let plan = plan(&source);
        let median = median((0..TIMES).map(|_| once(&plan)).collect());
        let nodes = estimate(&plan).nodes.len();
        let kept = resident_after(&plan);
        let goal = if goal_ms > 0 { format!("goal {goal_ms} ms") } else { "no goal".to_owned() };
        println!(
            "  {steps:>6} steps: {:>9.2} ms ({goal}), {nodes} nodes, {kept} KB for one estimate",
            median.as_secs_f64() * 1e3
        );
    }
    println!(
        "counting, o200k_base (peers on the same kind of text: tiktoken-rs 21-35 MB/s, bpe-openai 30-48, tiktoken 104-223):"
    );
    for (name, text) in texts() {
        let median = median((0..5).map(|_| timed(|| Encoding::O200kBase.count(&text))).collect());
        println!("  {name:<9} {:>7.1} MB/s", text.len() as f64 / 1e6 / median.as_secs_f64());
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn once(plan: &Plan) -> Duration {
    let mut plan = plan.clone();
    timed(|| price_with(&mut plan, Catalog::builtin()))
}

fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    std::hint::black_box(work());
    start.elapsed()
}

/// By how much the process grows while eight estimates are kept, by the eighth.
fn resident_after(plan: &Plan) -> u64 {
    let before = resident_kb();
    let kept: Vec<_> = (0..8).map(|_| estimate(plan)).collect();
    let after = resident_kb();
    drop(kept);
    after.saturating_sub(before) / 8
}

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// A tenth of the steps are prompts of their own; loops, branches and calls take turns.
fn source(steps: usize) -> String {
    let mut text = String::new();
    let prompts = steps.div_ceil(10);
    for n in 0..prompts {
        text += &format!(
            "prompt ask_{n}(question: text(max 100 tokens)) -> text(max 60 tokens) {{\n  model: \"openai/gpt-5.4-mini\"\n  max_input: 400 tokens\n  max_output: 80 tokens\n  user: \"\"\"\n    Number {n}. Answer shortly, and say where it was said.\n    {{{{ question }}}}\n  \"\"\"\n}}\n\n"
        );
    }
    text += "flow main(question: text(max 100 tokens), all: [text(max 100 tokens)](max 20)) {\n";
    for n in 0..steps / 2 {
        let prompt = n % prompts;
        text += &match n % 3 {
            0 => format!("  let a_{n} = ask_{prompt}(question)\n  output a_{n}\n"),
            1 => format!("  for x_{n} in all {{\n    let b_{n} = ask_{prompt}(x_{n})\n    output b_{n}\n  }}\n"),
            _ => format!("  if all.len() > {n} {{\n    let c_{n} = ask_{prompt}(question)\n    output c_{n}\n  }}\n"),
        };
    }
    text + "}\n"
}

fn plan(source: &str) -> Plan {
    let mut world = MemoryWorld::new(20_779);
    let file = world.add("main.pmflow", source);
    let checked = check_project(&world, &[file]);
    let (mut plan, _) = emit::emit(&checked, "main").expect("the generated flow is clean");
    price_with(&mut plan, Catalog::builtin());
    plan
}

fn texts() -> [(&'static str, String); 3] {
    let prose = "The quick brown fox jumps over the lazy dog, and nobody in the village of 1,204 people minds. ";
    let json = r#"{"id": 18231, "name": "Ada Lovelace", "tags": ["first", "programmer"], "score": 0.97},"#;
    let markdown = "## A heading\n\n- one item with `code`\n- another, with a [link](https://example.org/a/b?c=d)\n\n";
    [("prose", prose.repeat(20_000)), ("JSON", json.repeat(20_000)), ("Markdown", markdown.repeat(20_000))]
}
