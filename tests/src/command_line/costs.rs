//! What `pmflow cost` says to people, to programs and to a pipeline.

use crate::process::{Folder, Said, data, said};
use std::process::Command;

#[track_caller]
fn ends(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, Some(code), "--- out\n{}\n--- err\n{}", said.out, said.err);
    for word in words {
        assert!(said.out.contains(word) || said.err.contains(word), "`{word}` is not said:\n{}\n{}", said.out, said.err);
    }
}

const LEADS: &str = r#"type Fit {
  score:  int(1..10)
  reason: text(max 40 tokens)
}

prompt judge(message: text) -> Fit {
  model:      "openai/gpt-5.4-mini"
  max_input:  300 tokens
  max_output: 100 tokens
  user:       "Does this lead fit? {{ message }}"
}

prompt answer(message: text) -> text(max 120 tokens) {
  model:      "openai/gpt-5.4-mini"
  max_input:  300 tokens
  max_output: 150 tokens
  user:       "Write a short answer to: {{ message }}"
}

/// Judge each lead, and answer the good ones.
flow qualify(messages: [text](max 50) = []) {
  schedule: every 1d
  budget:   $0.05 per run, $2.00 per month

  source leads = csv("leads.csv") limit 100 expect 12

  for lead in leads {
    let fit = judge(lead.message)

    if fit.score > 7 likely 20% {
      let mail = answer(lead.message)
      output mail
    }
  }

  for message in messages {
    let fit = judge(message)
    output fit.score
  }
}
"#;

fn leads() -> Folder {
    let folder = Folder::new();
    folder.write("leads.csv", "message\nWe need this now\nJust looking\n");
    folder.write("leads.pmflow", LEADS);
    folder
}

fn git(folder: &Folder, words: &[&str]) {
    let who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org", "-c", "init.defaultBranch=main"];
    let done = Command::new("git").current_dir(folder.path()).args(who).args(words).output().expect("git can be started");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Committed as it is.
fn repository() -> Folder {
    let folder = leads();
    git(&folder, &["init", "-q", "."]);
    git(&folder, &["add", "."]);
    git(&folder, &["commit", "-q", "-m", "one"]);
    folder
}

fn run(folder: &Folder, words: &[&str]) -> Said {
    said(folder.command(words).output().expect("pmflow can be started"))
}

#[test]
fn every_format_says_the_same() {
    let folder = leads();
    for format in ["text", "markdown", "html", "json"] {
        let said = folder.pmflow(&format!("cost leads.pmflow --format {format}"));
        ends(&said, 0, &["qualify", "judge"]);
        insta::with_settings!({ filters => vec![(r"catalog [0-9a-f]{12}|[0-9a-f]{64}", "[catalog]")] }, {
            insta::assert_snapshot!(format!("cost_as_{format}"), said.out);
        });
    }
    let over = run(&folder, &["cost", "leads.pmflow", "--format", "sarif", "--fail-on", "ceiling > $0.01 per run"]);
    ends(&over, 2, &["\"cost-policy\"", "\"startLine\": 21", "above $0.01"]);
}

#[test]
fn policies_are_kept_or_say_why_not() {
    let folder = leads();
    let cost = |policy: &str| run(&folder, &["cost", "leads.pmflow", "--fail-on", policy]);
    ends(&cost("ceiling > $5 per run"), 0, &[]);
    ends(&cost("ceiling > $0.10 per run"), 2, &["policy broken: the ceiling per run is", "above $0.10"]);
    ends(&cost("expected > $0.10 per month"), 2, &["policy broken: the expected cost per month is"]);
    ends(&cost("crosses budget"), 2, &["policy broken: the budget of $0.050 per run is not proven to hold"]);
    ends(&cost("increase > 10%"), 3, &["`increase` compares two versions", "--diff"]);
    ends(&cost("dear"), 3, &["`dear` is no policy", "crosses budget"]);
    ends(&folder.pmflow("cost leads.pmflow --fail-over 0.01"), 2, &["not proven to be at most $0.010"]);
}

#[test]
fn what_if_prices_something_else() {
    let folder = leads();
    let said = folder.pmflow("cost leads.pmflow --what-if model.judge=openai/gpt-6-luna,rows=12,max_output.answer=60");
    ends(&said, 0, &["openai/gpt-6-luna", "12 expected, 12 at most"]);
    let refused = |settings: &str| folder.pmflow(&format!("cost leads.pmflow --what-if {settings}"));
    ends(&refused("model=openai/gpt-6-lunar"), 3, &["--what-if:", "did you mean `openai/gpt-6-luna`"]);
    ends(&refused("rows.lead=3"), 3, &["no source `lead`", "`leads`"]);
    ends(&refused("speed=3"), 3, &["is no setting", "rows=N"]);
}

#[test]
fn an_input_that_is_known_counts() {
    let folder = leads();
    let symbol =
        |said: &Said| said.out.lines().find(|line| line.contains("items(message)")).map(str::to_owned).unwrap_or_default();
    let none = folder.pmflow("cost leads.pmflow");
    assert!(symbol(&none).contains("50 at most"), "{}", none.out);
    let two = run(&folder, &["cost", "leads.pmflow", "--input", r#"messages=["one","two"]"#]);
    assert!(symbol(&two).contains("2 expected, 2 at most"), "{}", two.out);
    ends(&run(&folder, &["cost", "leads.pmflow", "--input", "mesages=[]"]), 3, &["has no input `mesages`", "`messages`"]);
    ends(&run(&folder, &["cost", "leads.pmflow", "--input", "messages=3"]), 3, &["the input `messages`"]);
}

#[test]
fn a_usage_file_tells_sizes_and_its_mistakes_are_said() {
    let folder = leads();
    folder.write("usage.toml", "[qualify]\nleads = 80\n\"lead/if-1\" = \"50%\"\n\n[prompts.judge]\ninput = 200\noutput = 40\n");
    let cost = |folder: &Folder| folder.pmflow("cost leads.pmflow --usage usage.toml");
    let told = cost(&folder);
    ends(&told, 2, &["80 expected, 100 at most", "judge", "      200", "over"]);
    let mut refused = String::new();
    for text in [
        "[qualify]\nlaeds = 80\n",
        "[qualifi]\nleads = 80\n",
        "[qualify]\nleads = \"many\"\n",
        "[qualify]\n\"lead/if-1\" = 3\n",
        "[qualify]\n\"lead/fit\" = 3\n",
        "[prompts.juge]\ninput = 3\n",
        "[prompts.judge]\nboth = 3\n",
        "[prompts.judge]\ninput = -3\n",
        "leads = 80\n",
        "[qualify\n",
    ] {
        folder.write("usage.toml", text);
        let said = cost(&folder);
        ends(&said, 3, &["usage.toml"]);
        refused += &format!("{text}{}\n", said.err);
    }
    insta::assert_snapshot!("usage_refused", refused);
    ends(&folder.pmflow("cost leads.pmflow --usage none.toml"), 3, &["cannot read `none.toml`"]);
}

#[test]
fn history_without_runs_says_so() {
    let folder = leads();
    ends(&folder.pmflow("cost leads.pmflow --history"), 0, &["no paid run of this flow has succeeded yet"]);
    folder.pmflow("run leads.pmflow --simulate");
    ends(&folder.pmflow("cost leads.pmflow --history"), 0, &["no paid run of this flow has succeeded yet"]);
}

#[test]
fn a_change_is_taken_apart() {
    let folder = repository();
    ends(&folder.pmflow("cost leads.pmflow --diff HEAD"), 0, &["Nothing of it changed."]);
    let changed = LEADS.replace("limit 100 expect 12", "limit 150 expect 18").replace("max_output: 150", "max_output: 130");
    folder.write("leads.pmflow", &changed);
    let text = folder.pmflow("cost leads.pmflow --diff HEAD");
    ends(&text, 0, &["source growth", "your edit"]);
    let shown = folder.pmflow("cost leads.pmflow --diff HEAD --format markdown");
    ends(&shown, 0, &[]);
    insta::assert_snapshot!("cost_diff_markdown", shown.out.split("<details>").next().unwrap_or_default());
    let json: serde_json::Value =
        serde_json::from_str(&folder.pmflow("cost leads.pmflow --diff HEAD --format json").out).unwrap();
    assert_eq!(json["change"]["parts"][0]["cause"], "source_growth");
    let grown = run(&folder, &["cost", "leads.pmflow", "--diff", "HEAD", "--fail-on", "increase > 10%"]);
    ends(&grown, 2, &["policy broken: the cost rises by"]);
    ends(&run(&folder, &["cost", "leads.pmflow", "--diff", "HEAD", "--fail-on", "increase > 90%"]), 0, &[]);
    folder.write("before.pmflow", LEADS);
    assert_eq!(folder.pmflow("cost leads.pmflow --diff before.pmflow").out, text.out, "a file says the same as a revision");
}

#[test]
fn prices_and_models_are_causes_of_their_own() {
    let folder = repository();
    ends(&folder.pmflow("prices update"), 0, &[]);
    git(&folder, &["add", "."]);
    git(&folder, &["commit", "-q", "-m", "prices"]);
    let lock = std::fs::read_to_string(folder.path().join("pmflow.lock")).unwrap();
    let price = r#""aliases":["gpt-5.4-mini-2026-03-17"],"price":{"input":"0.75""#;
    assert!(lock.contains(price));
    folder.write("pmflow.lock", lock.replace(price, &price.replace("0.75", "1.5")));
    ends(&folder.pmflow("cost leads.pmflow --diff HEAD"), 0, &["price change"]);
    folder.write("leads.pmflow", LEADS.replacen("openai/gpt-5.4-mini", "openai/gpt-5.4-nano", 1));
    ends(&folder.pmflow("cost leads.pmflow --diff HEAD"), 0, &["price change", "model change"]);
}

#[test]
fn a_revision_that_cannot_be_compared_with_is_said() {
    let folder = repository();
    ends(&folder.pmflow("cost leads.pmflow --diff nosuch"), 3, &["no file and no git revision `nosuch`"]);
    ends(&folder.pmflow("cost leads.pmflow --diff --upload-pack=x"), 3, &[]);
    folder.write("new.pmflow", LEADS.replace("flow qualify", "flow newer"));
    ends(&folder.pmflow("cost new.pmflow --diff HEAD"), 0, &["`new.pmflow` is new: HEAD does not have it"]);
    folder.write("leads.pmflow", LEADS.replace("max_output: 100 tokens", "max_output: a hundred"));
    git(&folder, &["commit", "-q", "-a", "-m", "broken"]);
    folder.write("leads.pmflow", LEADS);
    let broken = folder.pmflow("cost leads.pmflow --diff HEAD");
    ends(&broken, 3, &["`leads.pmflow` at HEAD cannot be compared with: it has problems", "max_output"]);
    ends(&folder.pmflow("cost leads.pmflow --diff HEAD~1"), 0, &["Nothing of it changed."]);
    let outside = leads();
    ends(&outside.pmflow("cost leads.pmflow --diff main"), 3, &["no file `main`", "lies in no git repository"]);
}

/// `pmflow` is found as anybody's would be.
fn script(folder: &Folder, name: &str, words: &[&str]) -> Said {
    let beside = std::path::Path::new(env!("CARGO_BIN_EXE_pmflow")).parent().expect("the binary is in a folder");
    let path = format!("{}:{}", beside.display(), std::env::var("PATH").unwrap_or_default());
    let script = data().join("../../docs/ci").join(name);
    let mut command = folder.command(&[]);
    let environment: Vec<_> = command.get_envs().map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned))).collect();
    command = Command::new("bash");
    for (name, value) in environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    said(command.arg(script).args(words).current_dir(folder.path()).env("PATH", path).output().expect("bash can be started"))
}

#[test]
fn the_pipeline_of_the_documentation_does_what_it_says() {
    let folder = repository();
    ends(&script(&folder, "cost.sh", &["HEAD"]), 0, &["No flow costs more or less"]);
    folder.write("leads.pmflow", LEADS.replace("limit 100 expect 12", "limit 150 expect 18"));
    ends(&script(&folder, "cost.sh", &["HEAD"]), 0, &["### Cost of a run of `qualify`", "source growth"]);
    ends(&script(&folder, "cost.sh", &["HEAD", "increase > 10%"]), 2, &["**Policy broken**: the cost rises by"]);
    ends(&script(&folder, "cost.sh", &["nosuch"]), 3, &["no git revision `nosuch`"]);
}

#[test]
fn the_hook_of_the_documentation_refuses_what_breaks_a_budget() {
    let folder = repository();
    ends(&script(&folder, "pre-commit", &[]), 0, &[]);
    folder.write("leads.pmflow", LEADS.replace("limit 100", "limit 90"));
    git(&folder, &["add", "."]);
    ends(
        &script(&folder, "pre-commit", &[]),
        2,
        &["the budget of $0.050 per run is not proven to hold: the ceiling is $0.20", "in the flow qualify of leads.pmflow"],
    );
    folder.write("leads.pmflow", LEADS.replace("$0.05 per run, $2.00 per month", "$5.00 per run, $200.00 per month"));
    git(&folder, &["add", "."]);
    ends(&script(&folder, "pre-commit", &[]), 0, &[]);
    folder.write("leads.pmflow", LEADS.replace("flow qualify", "flow  qualify"));
    git(&folder, &["add", "."]);
    ends(&script(&folder, "pre-commit", &[]), 1, &["would format leads.pmflow"]);
}
