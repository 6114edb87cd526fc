//! The words of the language that an author may write where, each with what it means and what follows it. What follows is
//! in the form of snippets: `$1` and `${1:text}` are places that the author fills in.

/// A word, the snippet that it starts, and its documentation.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    pub word: &'static str,
    pub snippet: &'static str,
    pub doc: &'static str,
}

const fn word(word: &'static str, snippet: &'static str, doc: &'static str) -> Word {
    Word { word, snippet, doc }
}

pub const ITEMS: &[Word] = &[
    word("import", "import ${1:std.airtable}", "Another module. Its names are used as `NAME.thing`."),
    word("type", "type ${1:Name} {\n  ${2:field}: ${3:text}\n}", "A record."),
    word("enum", "enum ${1:Name} { ${2:first}, ${3:second} }", "A closed set of names."),
    word("model", "model ${1:name} = \"${2:provider/id}\"", "A model, with fallbacks behind `else`."),
    word(
        "prompt",
        "prompt ${1:name}(${2:subject}: text) -> ${3:text} {\n  model:      \"${4:openai/gpt-6-luna}\"\n  max_input:  ${5:1500} tokens\n  max_output: ${6:300} tokens\n  user:       \"\"\"\n    {{ ${2:subject} }}$0\n  \"\"\"\n}",
        "One call of a model, with its bounds.",
    ),
    word("fn", "fn ${1:name}(${2:x}: ${3:int}) -> ${4:int} = ${5:x}", "A pure function."),
    word("flow", "flow ${1:name}(${2}) {\n  $0\n}", "A workflow."),
    word(
        "test",
        "test \"${1:what holds}\" {\n  given ${2:ask} = ${3:\"answer\"}\n  run ${4:flow}()\n  expect ${5:outputs.len() == 1}\n}",
        "A test that never reaches the network.",
    ),
    word("budget", "budget ${1:team} {\n  scope:   ${2:team}\n  monthly: \\$${3:500.00}\n}", "A limit that several flows share."),
    word(
        "connector",
        "connector ${1:name} {\n  base_url: \"${2:https://api.example.com}\"\n  auth:     bearer secret(\"${3:TOKEN}\")\n\n  $0\n}",
        "A service, described in the language.",
    ),
];

pub const PROMPT_SETTINGS: &[Word] = &[
    word("model", "model: ${1:\"openai/gpt-6-luna\"}", "The name of a `model`, or an id of the price catalog."),
    word("max_input", "max_input: ${1:1500} tokens", "The largest input. Without it there is no cost ceiling."),
    word(
        "max_output",
        "max_output: ${1:300} tokens",
        "The largest answer, thinking included. Without it there is no cost ceiling.",
    ),
    word(
        "on_overflow",
        "on_overflow: ${1|reject,truncate|}",
        "What becomes of an input that is too large: `reject`, or `truncate PARAMETER`.",
    ),
    word("thinking", "thinking: up to ${1:1000} tokens", "Tokens that the model may think; `max_output` covers them."),
    word("temperature", "temperature: ${1:0}", "From 0 to 2."),
    word("cache", "cache: ${1:7d}", "An identical call within this time costs nothing."),
    word("repair", "repair: ${1:1}", "How often an answer that does not fit its type is asked for again."),
    word("system", "system: \"\"\"\n  $1\n\"\"\"", "What the model obeys; only trusted text."),
    word("user", "user: \"\"\"\n  $1\n\"\"\"", "What the model is asked; untrusted text is fenced as data."),
    word("mode", "mode: ${1|batch,direct|}", "`batch`: about half the price, and answers within a day. `direct`: at once."),
    word("example", "example {\n  user: \"$1\"\n  assistant: \"$2\"\n}", "A question and the answer that is wanted."),
];

pub const FLOW_SETTINGS: &[Word] = &[
    word("schedule", "schedule: every ${1:2h}", "When it runs by itself: `every 2h`, or a cron expression with its time zone."),
    word("overlap", "overlap: ${1|skip,queue,allow|}", "What becomes of a run that is due while one goes."),
    word("catch_up", "catch_up: ${1|none,latest,all|}", "What becomes of runs that were missed."),
    word(
        "webhook",
        "webhook: ${1:event}: ${2:Event} verify hmac secret(\"${3:SECRET}\") limit ${4:100} per day",
        "Starts a run for each message that is sent to it.",
    ),
    word("concurrency", "concurrency: ${1:5}", "Items at a time."),
    word("timeout", "timeout: ${1:10m}", "The longest run."),
    word("on_error", "on_error: ${1|stop,skip,quarantine|}", "What becomes of the run when an item fails."),
    word("budget", "budget: \\$${1:2.00} per run", "What it may cost: per run, per day, per month, and shared budgets by name."),
    word(
        "when_short",
        "when_short: ${1|wait,refuse,shrink_request|}",
        "What becomes of a call that the budget has no room for: it waits for other calls, fails, or asks for a shorter answer.",
    ),
    word("on_exceed", "on_exceed: ${1|stop,suspend|}", "What becomes of a run that reaches a limit."),
    word("owner", "owner: \"${1:name}\"", "Who is asked and told."),
];

pub const BUDGET_SETTINGS: &[Word] = &[
    word("scope", "scope: ${1|team,user,flow|}", "Whose limit it is."),
    word("daily", "daily: \\$${1:10.00}", "The limit of a day."),
    word("monthly", "monthly: \\$${1:200.00}", "The limit of a month."),
    word("alert", "alert: [${1:75% info, 90% warn}]", "At which part of the limit somebody is told."),
    word(
        "when_short",
        "when_short: ${1|wait,refuse,shrink_request|}",
        "What becomes of a call that it has no room for: it waits for other calls, fails, or asks for a shorter answer.",
    ),
    word("on_exceed", "on_exceed: ${1|stop,suspend|}", "What becomes of a run that reaches the limit."),
];

pub const CONNECTOR_SETTINGS: &[Word] = &[
    word("base_url", "base_url: \"${1:https://api.example.com}\"", "The address that every path is below."),
    word("auth", "auth: bearer secret(\"${1:TOKEN}\")", "How it knows who asks."),
    word("limit", "limit: ${1:5} per second", "The most requests in a time."),
    word("retry_on", "retry_on: [${1:429, 500..599}]", "The answers after which a request is tried again."),
    word("headers", "headers: { ${1:Accept}: \"${2:application/json}\" }", "Headers of every request."),
    word(
        "source",
        "source ${1:records}() -> [${2:json}] {\n  get: \"${3:/records}\"\n  items: body\n}",
        "Rows that can be read.",
    ),
    word(
        "action",
        "action ${1:create}(${2:fields}: json) -> json {\n  post: \"${3:/records}\"\n  json: ${2:fields}\n}",
        "Something that changes the service.",
    ),
];

pub const STEPS: &[Word] = &[
    word(
        "source",
        "source ${1:rows} = csv(\"${2:data.csv}\") limit ${3:1000}",
        "Rows, read one after the other; `limit` is kept while reading.",
    ),
    word("let", "let ${1:name} = $2", "A value, or one call of a prompt, an operation or a flow."),
    word("do", "do ${1:connector.action}($2)", "An action; actions keep their order."),
    word("if", "if ${1:condition} {\n  $0\n}", "A branch. `likely 30%` says how often it is taken."),
    word(
        "match",
        "match ${1:value} {\n  .${2:name} { $3 }\n  else { $0 }\n}",
        "A branch for each value; on an enum every value needs one, or `else`.",
    ),
    word("for", "for ${1:item} in ${2:items} key ${1:item}.${3:id} {\n  $0\n}", "One independent item for each element."),
    word(
        "repeat",
        "repeat up to ${1:3} while ${2:condition} {\n  $0\n}",
        "A bounded loop; `set` gives a variable its next value.",
    ),
    word("set", "set ${1:name} = $2", "The next value of a variable, inside `repeat`."),
    word("parallel", "parallel {\n  $0\n}", "Actions side by side."),
    word("wait", "wait ${1:2h}", "A timer that survives a restart."),
    word(
        "approve",
        "approve \"${1:Shall this be sent?}\" by ${2:editor} timeout ${3:24h} else {\n  $0\n}",
        "The run sleeps until a person decides.",
    ),
    word("output", "output ${1:value}", "A stored result of the run; `tagged [ … ]` makes it findable."),
    word("fail", "fail \"${1:why}\"", "Ends the item as failed."),
    word("stop", "stop", "Ends the run."),
    word("yield", "yield ${1:value}", "The value of this round of `let xs = for …`."),
];

pub const MODIFIERS: &[Word] = &[
    word(
        "retry",
        "retry ${1:2}",
        "Tries again after a failure: `retry 2 backoff 1s..60s on rate_limit, transport`, or `on unbilled`.",
    ),
    word("timeout", "timeout ${1:30s}", "The longest try."),
    word("else", "else ${1:none}", "Stands in when all tries failed."),
    word("cache", "cache ${1:7d}", "An identical call within this time costs nothing."),
    word("key", "key ${1:id}", "An idempotency key of your own."),
    word("was", "was ${1:old_name}", "A renamed step keeps its history."),
    word("limit", "limit ${1:1000}", "At most so many rows; kept while reading."),
    word("expect", "expect ${1:100}", "How many rows there usually are, for the expected cost."),
    word("likely", "likely ${1:30}%", "How often a branch is taken, for the expected cost."),
    word("tagged", "tagged [${1:\"tag\"}]", "Tags that find an output again."),
    word("backoff", "backoff ${1:1s}..${2:60s}", "The pause before the next try, growing."),
];

pub const TEST_STEPS: &[Word] = &[
    word(
        "given",
        "given ${1:ask} = ${2:\"answer\"}",
        "Stands in for a source, a prompt, an operation, a flow, `approve` or `now`.",
    ),
    word("run", "run ${1:flow}($2)", "Runs the flow."),
    word(
        "expect",
        "expect ${1:outputs.len() == 1}",
        "What must hold: of `outputs`, `cost`, `failed`, `calls`, `alerts`, or that something was `called`.",
    ),
];

pub const TYPES: &[Word] = &[
    word("text", "text", "Unicode text; `text(max 60 tokens)` bounds it."),
    word("int", "int", "Whole numbers of 64 bits; `int(1..10)` bounds them."),
    word("float", "float", "64-bit floating point."),
    word("bool", "bool", "`true` or `false`."),
    word("money", "money", "Dollars, exact to twelve places."),
    word("date", "date", "A day."),
    word("datetime", "datetime", "A point in time, in UTC."),
    word("duration", "duration", "A length of time."),
    word("json", "json", "Anything; `x as T` checks it."),
    word("secret", "secret", "Exists inside connectors only."),
];

pub const VALUES: &[Word] = &[
    word("true", "true", "The value of what holds."),
    word("false", "false", "The value of what does not hold."),
    word("none", "none", "The value of what is missing."),
    word("if", "if ${1:condition} then ${2:a} else ${3:b}", "One of two values."),
    word("not", "not $1", "The opposite."),
];

pub const TEMPLATE_WORDS: &[Word] = &[
    word("if", "if ${1:condition} }}$2{{ end", "Text that stands only where the condition holds."),
    word("for", "for ${1:item} in ${2:items} }}{{ ${1:item} }}{{ end", "Text for each element."),
    word("else", "else", "The other branch."),
    word("end", "end", "Ends `if` or `for`."),
];

/// What may be said behind a setting's colon, for those that know a few words.
pub fn setting_values(setting: &str) -> &'static [&'static str] {
    match setting {
        "on_error" => &["stop", "skip", "quarantine"],
        "overlap" => &["skip", "queue", "allow"],
        "catch_up" => &["none", "latest", "all"],
        "on_exceed" => &["stop", "suspend"],
        "when_short" => &["wait", "refuse", "shrink_request"],
        "scope" => &["team", "user", "flow"],
        "mode" => &["batch", "direct"],
        "on_overflow" => &["reject", "truncate"],
        _ => &[],
    }
}

/// The documentation of a setting, a step or a modifier.
pub fn documentation(of: &[&[Word]], word: &str) -> Option<&'static str> {
    of.iter().flat_map(|words| words.iter()).find(|known| known.word == word).map(|known| known.doc)
}

/// The snippet as plain text, for editors that know none: places lose their marks, choices their alternatives.
pub fn plain(snippet: &str) -> String {
    let mut text = String::new();
    let mut rest = snippet;
    while let Some(at) = rest.find(['$', '\\', '}']) {
        let (before, marked) = rest.split_at(at);
        text.push_str(before);
        rest = match marked.as_bytes() {
            [b'\\', ..] => {
                text.extend(marked.chars().nth(1));
                marked.get(2..).unwrap_or_default()
            }
            [b'}', ..] => {
                text.push('}');
                marked.get(1..).unwrap_or_default()
            }
            [b'$', b'{', ..] => place(marked.get(2..).unwrap_or_default(), &mut text),
            _ => marked.get(1..).unwrap_or_default().trim_start_matches(|c: char| c.is_ascii_digit()),
        };
    }
    text.push_str(rest);
    text
}

/// The text of `1:text}` or the first choice of `1|a,b|}`, and what follows.
fn place<'a>(inner: &'a str, text: &mut String) -> &'a str {
    let Some((inside, rest)) = inner.split_once('}') else { return "" };
    let value = inside.trim_start_matches(|c: char| c.is_ascii_digit());
    match value.as_bytes().first() {
        Some(b':') => text.push_str(value.get(1..).unwrap_or_default()),
        Some(b'|') => text.push_str(value.trim_matches('|').split(',').next().unwrap_or_default()),
        _ => {}
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_is_readable_without_its_marks() {
        assert_eq!(plain("on_error: ${1|stop,skip|}"), "on_error: stop");
        assert_eq!(plain("daily: \\$${1:10.00}"), "daily: $10.00");
        assert_eq!(plain("if ${1:condition} {\n  $0\n}"), "if condition {\n  \n}");
    }
}
