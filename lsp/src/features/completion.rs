//! What can be written at a place.
//!
//! The place is judged by the tokens before it, since the tree of a half-written file says little there; what is known of
//! the names comes from the checked tree.

use super::completion_items::Offers;
use crate::protocol::Answer;
use crate::syntax::Around;
use crate::words::*;
use crate::workspace::{Place, Workspace};
use pmflow_compiler::format::tokens::{Token, TokenKind, tokens};
use pmflow_compiler::syntax::ast::*;
use tower_lsp_server::ls_types::*;

pub fn completion(workspace: &mut Workspace, params: CompletionParams) -> Answer<Option<CompletionResponse>> {
    let place = workspace.place(&params.text_document_position)?;
    let offers = offers(workspace, &place);
    let list = CompletionList { is_incomplete: false, items: offers };
    Ok(Some(CompletionResponse::List(list)))
}

fn offers(workspace: &mut Workspace, place: &Place) -> Vec<CompletionItem> {
    let text = place.lines.text().clone();
    let before = text.get(..place.offset as usize).unwrap_or_default();
    let mut offers = Offers::new(workspace, place);
    match context(place, &text, before) {
        Context::Nothing => {}
        Context::Path { folder_of, endings } => offers.files(&folder_of, endings),
        Context::Module => offers.modules(),
        Context::ModelId { written } => offers.model_ids(&written),
        Context::Member { receiver_end } => offers.members(receiver_end),
        Context::EnumValue { compared } => offers.enum_values(compared),
        Context::Item => offers.words(ITEMS, CompletionItemKind::KEYWORD),
        Context::Type => offers.types(),
        Context::Settings => offers.settings(),
        Context::SettingValue { setting } => offers.setting_values(&setting),
        Context::Step => {
            offers.words(STEPS, CompletionItemKind::KEYWORD);
            offers.flow_settings();
        }
        Context::TestStep => offers.words(TEST_STEPS, CompletionItemKind::KEYWORD),
        Context::Given => offers.stand_ins(),
        Context::Modifier => offers.modifiers(),
        Context::Expression { call_effects } => offers.expressions(call_effects),
        Context::Template => {
            offers.words(TEMPLATE_WORDS, CompletionItemKind::KEYWORD);
            offers.expressions(false);
        }
    }
    offers.finish()
}

/// What the words before the place ask for.
#[derive(Clone, Debug, PartialEq)]
enum Context {
    Nothing,
    /// Inside the quotes of an import or of a data file.
    Path {
        folder_of: String,
        endings: &'static [&'static str],
    },
    Module,
    ModelId {
        written: String,
    },
    /// Behind a dot; the receiver ends here.
    Member {
        receiver_end: u32,
    },
    /// `.` without a receiver; compared with the value that ends here.
    EnumValue {
        compared: Option<u32>,
    },
    Item,
    Type,
    Settings,
    SettingValue {
        setting: String,
    },
    Step,
    TestStep,
    Given,
    Modifier,
    Expression {
        call_effects: bool,
    },
    Template,
}

fn context(place: &Place, text: &str, before: &str) -> Context {
    let all = tokens(place.file, text);
    let at = place.offset;
    let end = |token: &Token<'_>| token.start + u32::try_from(token.text.len()).unwrap_or(0);
    if let Some(inside) = all.iter().find(|token| token.start < at && at <= end(token)) {
        let closed = end(inside) == at;
        match inside.kind {
            TokenKind::Comment => return Context::Nothing,
            TokenKind::Text if !closed || !is_closed(inside.text) => return in_text(inside, &all, at),
            TokenKind::Number | TokenKind::Pattern => return Context::Nothing,
            _ => {}
        }
    }
    // The word that is being written belongs to what is asked for.
    let previous: Vec<&Token<'_>> = all
        .iter()
        .filter(|token| token.kind != TokenKind::Comment && end(token) <= at)
        .filter(|token| !(token.kind == TokenKind::Word && end(token) == at))
        .collect();
    by_tokens(place, &previous, before)
}

fn is_closed(text: &str) -> bool {
    match text.strip_prefix("\"\"\"") {
        Some(rest) => rest.len() >= 3 && rest.ends_with("\"\"\""),
        None => text.len() >= 2 && text.ends_with('"'),
    }
}

fn in_text(token: &Token<'_>, all: &[Token<'_>], at: u32) -> Context {
    let written = token.text.get(..(at - token.start) as usize).unwrap_or_default();
    let open = written.rfind("{{");
    if let Some(open) = open.filter(|open| written.get(*open..).is_some_and(|rest| !rest.contains("}}"))) {
        let inside = written.get(open + 2..).unwrap_or_default();
        return in_hole(inside, token.start + u32::try_from(open + 2).unwrap_or(0));
    }
    let inside = written.trim_start_matches('"').to_owned();
    let position = all.iter().position(|known| known.start == token.start).unwrap_or(0);
    let back = |count: usize| position.checked_sub(count).and_then(|index| all.get(index)).map_or("", |token| token.text);
    match (back(3), back(2), back(1)) {
        (_, _, "import") => Context::Path { folder_of: inside, endings: &["pmflow"] },
        (_, "csv", "(") => Context::Path { folder_of: inside, endings: &["csv", "tsv"] },
        (_, "json" | "jsonl", "(") => Context::Path { folder_of: inside, endings: &["json", "jsonl"] },
        (_, "model", ":") | ("model", _, "=") => Context::ModelId { written: inside },
        (_, _, "else") => Context::ModelId { written: inside },
        _ => Context::Nothing,
    }
}

fn in_hole(inside: &str, start: u32) -> Context {
    let trimmed = inside.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_');
    let receiver = trimmed.strip_suffix("?.").or_else(|| trimmed.strip_suffix('.'));
    match receiver.filter(|receiver| receiver.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ')' || c == ']')) {
        Some(receiver) => Context::Member { receiver_end: start + u32::try_from(receiver.len()).unwrap_or(0) },
        None if trimmed.ends_with('.') => Context::EnumValue { compared: None },
        None if trimmed.trim().is_empty() => Context::Template,
        None => Context::Expression { call_effects: false },
    }
}

fn by_tokens(place: &Place, previous: &[&Token<'_>], before: &str) -> Context {
    let back = |count: usize| previous.len().checked_sub(count).and_then(|index| previous.get(index)).copied();
    let text = |count: usize| back(count).map_or("", |token| token.text);
    let end = |token: &Token<'_>| token.start + u32::try_from(token.text.len()).unwrap_or(0);
    let word_start = before.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_');
    if matches!(text(1), "." | "?.") {
        let dot = back(1).map_or(0, |token| token.start);
        let receiver = back(2).filter(|token| end(token) == dot && ends_value(token));
        let compared = back(3).filter(|_| matches!(text(2), "==" | "!=")).map(end);
        return receiver.map_or(Context::EnumValue { compared }, |token| Context::Member { receiver_end: end(token) });
    }
    if text(1) == "import" {
        return Context::Module;
    }
    let inside = enclosing(previous);
    let new_line = word_start.trim_end_matches([' ', '\t']).ends_with('\n') || word_start.trim().is_empty();
    match (inside.last().map(|open| open.what), text(1)) {
        (_, "->" | "as") => Context::Type,
        (None, _) if new_line || before.trim().is_empty() => Context::Item,
        (None, _) => Context::Expression { call_effects: false },
        (Some(What::Type), ":" | "[") => Context::Type,
        (Some(What::Type | What::Enum), _) => Context::Nothing,
        (Some(What::Parameters), ":" | "[" | "trusted") => Context::Type,
        (Some(What::Parameters), "=") => Context::Expression { call_effects: false },
        (Some(What::Parameters), _) => Context::Nothing,
        (Some(What::Settings), ":") => Context::SettingValue { setting: text(2).to_owned() },
        (Some(What::Settings), _) if new_line || matches!(text(1), "{" | ",") => Context::Settings,
        (Some(What::Settings), _) => setting_context(previous, place),
        (Some(What::Test), "given") => Context::Given,
        (Some(What::Test), "called") => Context::Given,
        (Some(What::Test), _) if new_line || text(1) == "{" => Context::TestStep,
        (Some(What::Block), ":") if back(2).is_some_and(|token| FLOW_SETTINGS.iter().any(|word| word.word == token.text)) => {
            Context::SettingValue { setting: text(2).to_owned() }
        }
        (Some(What::Block), ":") => Context::Type,
        (Some(What::Block), _) if new_line || matches!(text(1), "{" | "}") => Context::Step,
        (Some(What::Block | What::Test), _) => in_step(place, previous),
        (Some(What::Brackets), "{" | ",") if is_record(&inside) => Context::Expression { call_effects: false },
        (Some(What::Brackets), _) => Context::Expression { call_effects: false },
    }
}

/// Behind the value of a setting: more of it, when the value is not complete.
fn setting_context(previous: &[&Token<'_>], _: &Place) -> Context {
    let colon = previous.iter().rposition(|token| token.text == ":");
    let setting = colon.and_then(|colon| colon.checked_sub(1)).and_then(|index| previous.get(index));
    setting.map_or(Context::Nothing, |token| Context::SettingValue { setting: token.text.to_owned() })
}

/// Inside a step: behind a complete value its modifiers, else a value.
fn in_step(place: &Place, previous: &[&Token<'_>]) -> Context {
    let Some(last) = previous.last() else { return Context::Step };
    match last.text {
        "let" | "set" | "source" | "for" => Context::Nothing,
        "=" | "do" | "run" => Context::Expression { call_effects: true },
        _ if ends_value(last) && !STARTS_VALUE.contains(&last.text) => {
            let tree = place.view.tree(place.file);
            let in_condition = tree.is_some_and(|tree| {
                let around = Around::place(tree, last.start);
                matches!(around.steps.last().map(|step| &step.kind), Some(StepKind::If { .. } | StepKind::Match { .. }))
            });
            if in_condition { Context::Expression { call_effects: false } } else { Context::Modifier }
        }
        _ => Context::Expression { call_effects: false },
    }
}

const STARTS_VALUE: &[&str] = &[
    "if", "in", "key", "match", "while", "to", "wait", "until", "output", "tagged", "fail", "yield", "expect", "and", "or",
    "not", "then", "else", "likely", "timeout", "retry", "limit", "cache", "approve",
];

fn ends_value(token: &Token<'_>) -> bool {
    match token.kind {
        TokenKind::Word | TokenKind::Number | TokenKind::Text => true,
        TokenKind::Sign => matches!(token.text, ")" | "]" | "}" | "?"),
        _ => false,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Type,
    Enum,
    Settings,
    Test,
    Block,
    Parameters,
    /// Of a list, a call, a record.
    Brackets,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    what: What,
    bracket: u8,
}

fn is_record(inside: &[Open]) -> bool {
    inside.last().is_some_and(|open| open.bracket == b'{')
}

/// The brackets that are open at the end of the tokens, outer first.
fn enclosing(previous: &[&Token<'_>]) -> Vec<Open> {
    let mut open: Vec<Open> = Vec::new();
    let mut item = "";
    for (index, token) in previous.iter().enumerate() {
        if open.is_empty() && token.kind == TokenKind::Word && ITEMS.iter().any(|word| word.word == token.text) {
            item = token.text;
        }
        match token.text {
            "{" | "(" | "[" if token.kind == TokenKind::Sign => {
                let bracket = token.text.as_bytes().first().copied().unwrap_or(b'{');
                open.push(Open { what: opened(item, &open, bracket, previous.get(..index).unwrap_or_default()), bracket });
            }
            "}" | ")" | "]" if token.kind == TokenKind::Sign => {
                open.pop();
            }
            _ => {}
        }
    }
    open
}

fn opened(item: &str, open: &[Open], bracket: u8, before: &[&Token<'_>]) -> What {
    let last = before.last().map_or("", |token| token.text);
    match (item, open.last().map(|open| open.what), bracket) {
        ("prompt" | "flow" | "fn", None, b'(') if is_head(before) => What::Parameters,
        ("connector", Some(What::Settings), b'(') if is_operation(before) => What::Parameters,
        ("type", None, b'{') => What::Type,
        ("enum", None, b'{') => What::Enum,
        ("prompt" | "budget" | "connector" | "model", None, b'{') => What::Settings,
        ("connector", Some(What::Settings), b'{') if !last.ends_with(':') => What::Settings,
        ("prompt", Some(What::Settings), b'{') if last == "example" => What::Settings,
        ("flow", None, b'{') => What::Block,
        ("test", None, b'{') => What::Test,
        (_, Some(What::Type | What::Parameters), _) => What::Type,
        // A `{` behind these is a value, any other one a block of steps.
        ("flow", Some(What::Block), b'{')
            if !matches!(last, "=" | "output" | ":" | "(" | "[" | "," | "yield" | "else" | "oauth2") =>
        {
            What::Block
        }
        ("flow", Some(What::Block), b'{') if last == "else" => What::Block,
        _ => What::Brackets,
    }
}

/// `prompt NAME(` or `fn NAME<T>(`, not a call in the body.
fn is_head(before: &[&Token<'_>]) -> bool {
    let keyword = before.len().checked_sub(2).and_then(|index| before.get(index));
    let after_keyword = keyword.is_some_and(|token| matches!(token.text, "prompt" | "flow" | "fn"));
    after_keyword || before.last().is_some_and(|token| token.text == ">")
}

/// `source NAME(` or `action NAME(`, with type parameters or without.
fn is_operation(before: &[&Token<'_>]) -> bool {
    let recent = before.iter().rev().take(8);
    let mut words = recent.take_while(|token| token.kind == TokenKind::Word || matches!(token.text, "<" | ">" | ","));
    words.any(|token| matches!(token.text, "source" | "action"))
}
