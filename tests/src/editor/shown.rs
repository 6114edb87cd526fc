//! Answers of the protocol as a person reads them.

use super::Session;
use serde_json::Value;

const OFFERS_SHOWN_MAX: usize = 40;

pub fn shown(what: &str, rest: &str, answer: &Value, session: &Session) -> String {
    match what {
        _ if answer.is_null() => "nothing".to_owned(),
        "complete" => offers(answer, rest),
        "hover" => format!("{} {}", range(answer.get("range")), text(answer.pointer("/contents/value"))),
        "signature" => signature(answer),
        "rename" => edited(answer, session),
        "action" => match list(answer).iter().find(|action| text(action.get("title")).starts_with(rest)) {
            Some(action) => edited(action.get("edit").unwrap_or(&Value::Null), session),
            None => format!("there is no such action, but\n{}", each(answer, |action| text(action.get("title")))),
        },
        "actions" => each(answer, |action| {
            let mends =
                action.pointer("/diagnostics/0/code").map(|code| format!(" mends {}", text(Some(code)))).unwrap_or_default();
            format!("{}: {}{mends}", text(action.get("kind")), text(action.get("title")))
        }),
        "format" | "typed" => changed(session.main(), list(answer)),
        "symbols" => symbols(answer, 0),
        "tokens" => tokens(answer, session),
        "hints" => each(answer, |hint| format!("{} {}", position(hint.get("position")), text(hint.get("label")))),
        "lenses" => each(answer, |lens| {
            let command = lens.pointer("/command/command");
            format!("{} {} [{}]", range(lens.get("range")), text(lens.pointer("/command/title")), text(command))
        }),
        "folds" => each(answer, |fold| {
            let line = |name: &str| fold.get(name).and_then(Value::as_u64).unwrap_or(0) + 1;
            format!("{}-{} {}", line("startLine"), line("endLine"), text(fold.get("kind"))).trim_end().to_owned()
        }),
        "selection" => selection(answer.get(0), session),
        "diagnostics" => answer.get("items").map_or_else(String::new, |items| each(items, diagnostic)),
        "callers" | "callees" => each(answer, |call| {
            let item = call.get("from").or_else(|| call.get("to"));
            let places: Vec<String> =
                call.get("fromRanges").map(list).unwrap_or_default().iter().map(|at| range(Some(at))).collect();
            format!("{} at {}", text(item.and_then(|item| item.get("name"))), places.join(", "))
        }),
        "command" => match answer.get("text") {
            Some(content) => text(Some(content)),
            None => answer.to_string(),
        },
        _ => places(answer),
    }
}

fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn each(value: &Value, line: impl Fn(&Value) -> String) -> String {
    let lines: Vec<String> = list(value).iter().map(line).collect();
    if lines.is_empty() { "nothing".to_owned() } else { lines.join("\n") }
}

fn position(value: Option<&Value>) -> String {
    let number = |name: &str| value.and_then(|value| value.get(name)).and_then(Value::as_u64).unwrap_or(0) + 1;
    format!("{}:{}", number("line"), number("character"))
}

fn range(value: Option<&Value>) -> String {
    let end = |name: &str| position(value.and_then(|value| value.get(name)));
    format!("{}-{}", end("start"), end("end"))
}

/// Locations, links and ranges, one a line.
fn places(answer: &Value) -> String {
    let one = |place: &Value| {
        let at = place.get("range").or_else(|| place.pointer("/location/range")).unwrap_or(place);
        let uri = place.get("uri").or_else(|| place.pointer("/location/uri")).or_else(|| place.get("target"));
        let name = text(place.get("name").or_else(|| place.get("placeholder")));
        format!("{} {} {name}", text(uri), range(Some(at))).trim().to_owned()
    };
    let ranges = answer.get("ranges").unwrap_or(answer);
    if ranges.is_array() { each(ranges, one) } else { one(answer) }
}

/// With `with WORD …` only those labels.
fn offers(answer: &Value, rest: &str) -> String {
    let mut all: Vec<&Value> = answer.get("items").map(list).unwrap_or_default().iter().collect();
    all.sort_by_key(|item| text(item.get("sortText")));
    let wanted: Option<Vec<&str>> = rest.strip_prefix("with ").map(|words| words.split(' ').collect());
    let label = |item: &&Value| text(item.get("label"));
    let shown = all.iter().filter(|item| wanted.as_ref().is_none_or(|wanted| wanted.contains(&label(item).as_str())));
    let lines: Vec<String> = shown.take(OFFERS_SHOWN_MAX).map(|item| offer(item, wanted.is_some())).collect();
    let more =
        if wanted.is_none() && all.len() > OFFERS_SHOWN_MAX { format!("\n… {} in all", all.len()) } else { String::new() };
    if lines.is_empty() { "nothing".to_owned() } else { lines.join("\n") + &more }
}

fn offer(item: &Value, whole: bool) -> String {
    let mut line = format!("{} — {}", text(item.get("label")), text(item.get("detail")));
    if whole {
        let more = [item.get("insertText"), item.pointer("/documentation/value"), item.pointer("/additionalTextEdits/0/newText")];
        for more in more.into_iter().flatten() {
            line.push_str(&format!("\n  | {}", text(Some(more)).replace('\n', "\n  | ")));
        }
    }
    line.trim_end().trim_end_matches(" —").to_owned()
}

fn signature(answer: &Value) -> String {
    let signature = answer.pointer("/signatures/0");
    let active = answer.get("activeParameter").and_then(Value::as_u64).and_then(|index| usize::try_from(index).ok());
    let parameters = signature.and_then(|signature| signature.get("parameters")).map(list).unwrap_or_default();
    let active = active.and_then(|index| parameters.get(index)).map(|parameter| text(parameter.get("label")));
    let label = text(signature.and_then(|signature| signature.get("label")));
    let doc = text(signature.and_then(|signature| signature.pointer("/documentation/value")));
    format!("{label}\nat: {}\n{doc}", active.unwrap_or_else(|| "none".to_owned())).trim_end().to_owned()
}

fn diagnostic(item: &Value) -> String {
    let severity = match item.get("severity").and_then(Value::as_u64) {
        Some(1) => "error",
        Some(2) => "warning",
        _ => "hint",
    };
    let tag = match item.pointer("/tags/0").and_then(Value::as_u64) {
        Some(1) => " (unnecessary)",
        Some(2) => " (deprecated)",
        _ => "",
    };
    let mut said =
        format!("{} {severity} {}{tag} {}", range(item.get("range")), text(item.get("code")), text(item.get("message")));
    for related in item.get("relatedInformation").map(list).unwrap_or_default() {
        let at = related.get("location");
        let uri = text(at.and_then(|at| at.get("uri")));
        said.push_str(&format!("\n  {uri} {} {}", range(at.and_then(|at| at.get("range"))), text(related.get("message"))));
    }
    said
}

fn symbols(answer: &Value, depth: usize) -> String {
    let one = |symbol: &Value| {
        let mut line = format!(
            "{}{} {} {}",
            "  ".repeat(depth),
            range(symbol.get("range")),
            text(symbol.get("name")),
            text(symbol.get("detail"))
        );
        if let Some(children) = symbol.get("children") {
            line.push('\n');
            line.push_str(&symbols(children, depth + 1));
        }
        line.trim_end().to_owned()
    };
    each(answer, one)
}

fn selection(value: Option<&Value>, session: &Session) -> String {
    let mut lines = Vec::new();
    let mut next = value;
    while let Some(range) = next.filter(|range| !range.is_null()) {
        let bytes = bytes(session.main(), range.get("range"));
        lines.push(session.main().get(bytes).unwrap_or_default().replace('\n', "⏎"));
        next = range.get("parent");
    }
    lines.join("\n")
}

fn tokens(answer: &Value, session: &Session) -> String {
    const TYPES: [&str; 14] = [
        "keyword",
        "comment",
        "string",
        "number",
        "regexp",
        "type",
        "enum",
        "enumMember",
        "function",
        "method",
        "parameter",
        "variable",
        "property",
        "namespace",
    ];
    let data: Vec<usize> = answer
        .get("data")
        .map(list)
        .unwrap_or_default()
        .iter()
        .filter_map(Value::as_u64)
        .filter_map(|n| usize::try_from(n).ok())
        .collect();
    let lines: Vec<&str> = session.main().split('\n').collect();
    let (mut line, mut start) = (0, 0);
    let mut shown: Vec<String> = Vec::new();
    for token in data.chunks(5) {
        let [lines_down, columns, length, ty, modifiers] = token else { continue };
        start = if *lines_down > 0 { *columns } else { start + columns };
        if *lines_down > 0 || shown.is_empty() {
            shown.push(format!("{}:", line + lines_down + 1));
        }
        line += lines_down;
        let units: Vec<u16> = lines.get(line).unwrap_or(&"").encode_utf16().collect();
        let word = String::from_utf16_lossy(units.get(start..start + length).unwrap_or_default());
        let mark = if *modifiers > 0 { format!("+{modifiers}") } else { String::new() };
        if let Some(last) = shown.last_mut() {
            last.push_str(&format!(" {word}={}{mark}", TYPES.get(*ty).unwrap_or(&"?")));
        }
    }
    shown.join("\n")
}

/// Every changed file, whole.
fn edited(edit: &Value, session: &Session) -> String {
    let Some(changes) = edit.get("changes").and_then(Value::as_object) else { return "nothing".to_owned() };
    let mut files: Vec<(&String, &Value)> = changes.iter().collect();
    files.sort_by_key(|(uri, _)| (*uri).clone());
    let several = files.len() > 1;
    let one = |(uri, edits): (&String, &Value)| {
        let text = changed(session.text(uri).unwrap_or_default(), list(edits));
        if several { format!("{uri}:\n{text}") } else { text }
    };
    files.into_iter().map(one).collect()
}

fn changed(before: &str, edits: &[Value]) -> String {
    if edits.is_empty() {
        return "nothing".to_owned();
    }
    let mut edits: Vec<(std::ops::Range<usize>, String)> =
        edits.iter().map(|edit| (bytes(before, edit.get("range")), text(edit.get("newText")))).collect();
    edits.sort_by_key(|(bytes, _)| (bytes.start, bytes.end));
    let mut after = String::new();
    let mut at = 0;
    for (bytes, new) in edits {
        after.push_str(before.get(at..bytes.start).unwrap_or("(edits overlap)"));
        after.push_str(&new);
        at = bytes.end;
    }
    after.push_str(before.get(at..).unwrap_or_default());
    after
}

fn bytes(content: &str, range: Option<&Value>) -> std::ops::Range<usize> {
    let offset = |name: &str| {
        let at = range.and_then(|range| range.get(name));
        let number = |name: &str| {
            at.and_then(|at| at.get(name)).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok()).unwrap_or(0)
        };
        let start: usize = content.split_inclusive('\n').take(number("line")).map(str::len).sum();
        let mut units = 0;
        let line = content.get(start..).unwrap_or_default();
        let inside = line.char_indices().find(|(_, c)| {
            let found = units >= number("character") || *c == '\n';
            units += c.len_utf16();
            found
        });
        start + inside.map_or(line.len(), |(at, _)| at)
    };
    offset("start")..offset("end")
}
