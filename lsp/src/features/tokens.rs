//! Colours that only the checker knows, and those of the plain words, for editors that have no grammar of their own.

use crate::positions::Lines;
use crate::protocol::{Answer, Fault};
use crate::syntax::{Kind, declarations};
use crate::workspace::{View, Workspace};
use pmflow_compiler::format::tokens::{Token, TokenKind, tokens};
use pmflow_compiler::syntax::ast::*;
use pmflow_compiler::syntax::walk::{self, Visitor};
use pmflow_compiler::{FileId, Span};
use std::collections::BTreeMap;
use std::rc::Rc;
use tower_lsp_server::ls_types::*;

const TYPES: [SemanticTokenType; 14] = [
    SemanticTokenType::KEYWORD,
    SemanticTokenType::COMMENT,
    SemanticTokenType::STRING,
    SemanticTokenType::NUMBER,
    SemanticTokenType::REGEXP,
    SemanticTokenType::TYPE,
    SemanticTokenType::ENUM,
    SemanticTokenType::ENUM_MEMBER,
    SemanticTokenType::FUNCTION,
    SemanticTokenType::METHOD,
    SemanticTokenType::PARAMETER,
    SemanticTokenType::VARIABLE,
    SemanticTokenType::PROPERTY,
    SemanticTokenType::NAMESPACE,
];

const DECLARATION: u32 = 1;
const DOCUMENTATION: u32 = 2;
const STANDARD: u32 = 4;
const READ_ONLY: u32 = 8;

const MODIFIERS: [SemanticTokenModifier; 4] = [
    SemanticTokenModifier::DECLARATION,
    SemanticTokenModifier::DOCUMENTATION,
    SemanticTokenModifier::DEFAULT_LIBRARY,
    SemanticTokenModifier::READONLY,
];

/// The words that are keywords where nothing else claims them.
pub const KEYWORDS: &[&str] = &[
    "import",
    "type",
    "enum",
    "model",
    "prompt",
    "fn",
    "connector",
    "budget",
    "flow",
    "test",
    "source",
    "action",
    "example",
    "trusted",
    "let",
    "do",
    "if",
    "then",
    "else",
    "match",
    "for",
    "in",
    "key",
    "repeat",
    "up",
    "to",
    "while",
    "set",
    "parallel",
    "wait",
    "until",
    "approve",
    "by",
    "timeout",
    "output",
    "tagged",
    "fail",
    "stop",
    "yield",
    "likely",
    "limit",
    "expect",
    "cache",
    "was",
    "retry",
    "backoff",
    "on",
    "given",
    "run",
    "called",
    "once",
    "never",
    "times",
    "max",
    "matches",
    "and",
    "or",
    "not",
    "as",
    "true",
    "false",
    "none",
    "end",
];

pub fn capability() -> SemanticTokensOptions {
    SemanticTokensOptions {
        legend: SemanticTokensLegend { token_types: TYPES.to_vec(), token_modifiers: MODIFIERS.to_vec() },
        range: Some(true),
        full: Some(SemanticTokensFullOptions::Delta { delta: Some(true) }),
        ..SemanticTokensOptions::default()
    }
}

pub fn full(workspace: &mut Workspace, params: SemanticTokensParams) -> Answer<Option<SemanticTokensResult>> {
    let file = workspace.document(&params.text_document)?;
    let data = of_file(workspace, file, None);
    let result_id = remember(workspace, file, &data);
    Ok(Some(SemanticTokensResult::Tokens(SemanticTokens { result_id: Some(result_id), data })))
}

pub fn range(workspace: &mut Workspace, params: SemanticTokensRangeParams) -> Answer<Option<SemanticTokensRangeResult>> {
    let file = workspace.document(&params.text_document)?;
    let data = of_file(workspace, file, Some(params.range));
    Ok(Some(SemanticTokensRangeResult::Tokens(SemanticTokens { result_id: None, data })))
}

pub fn delta(workspace: &mut Workspace, params: SemanticTokensDeltaParams) -> Answer<Option<SemanticTokensFullDeltaResult>> {
    let file = workspace.document(&params.text_document)?;
    let before = workspace.tokens_sent.get(&file).filter(|(id, _)| id.to_string() == params.previous_result_id).cloned();
    let data = of_file(workspace, file, None);
    let result_id = Some(remember(workspace, file, &data));
    let Some((_, before)) = before else {
        return Ok(Some(SemanticTokensFullDeltaResult::Tokens(SemanticTokens { result_id, data })));
    };
    let edits = difference(&before, &data).into_iter().collect();
    Ok(Some(SemanticTokensFullDeltaResult::TokensDelta(SemanticTokensDelta { result_id, edits })))
}

fn remember(workspace: &mut Workspace, file: FileId, data: &[SemanticToken]) -> String {
    let id = workspace.tokens_sent.get(&file).map_or(1, |(id, _)| id + 1);
    workspace.tokens_sent.insert(file, (id, data.to_vec()));
    id.to_string()
}

/// What stands between the common beginning and the common end; positions count numbers, five for each token.
fn difference(before: &[SemanticToken], after: &[SemanticToken]) -> Option<SemanticTokensEdit> {
    let start = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let rest = (before.len() - start).min(after.len() - start);
    let same_end = before.iter().rev().zip(after.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let (removed, added) = (before.len() - start - same_end, after.get(start..after.len() - same_end).unwrap_or_default());
    if removed == 0 && added.is_empty() {
        return None;
    }
    let number = |count: usize| u32::try_from(count * 5).unwrap_or(u32::MAX);
    Some(SemanticTokensEdit { start: number(start), delete_count: number(removed), data: Some(added.to_vec()) })
}

fn of_file(workspace: &mut Workspace, file: FileId, only: Option<Range>) -> Vec<SemanticToken> {
    let view = workspace.view(file);
    let lines = workspace.lines(file);
    let mut found = classified(&view, &lines, file);
    if let Some(only) = only {
        let bytes = lines.bytes(only);
        found.retain(|mark| mark.start < bytes.end && mark.end > bytes.start);
    }
    encoded(&found, &lines)
}

#[derive(Clone, Debug, PartialEq)]
struct Colour {
    start: usize,
    end: usize,
    ty: SemanticTokenType,
    modifiers: u32,
}

fn classified(view: &View, lines: &Rc<Lines>, file: FileId) -> Vec<Colour> {
    let text = lines.text();
    let names = names(view, file);
    let mut found = Vec::new();
    for token in tokens(file, text) {
        match token.kind {
            TokenKind::Text => text_parts(&token, 0, &names, file, &mut found),
            _ => found.extend(plain(&token, token.start as usize, &names)),
        }
    }
    found
}

type Names = BTreeMap<u32, (u32, SemanticTokenType, u32)>;

fn plain(token: &Token<'_>, start: usize, names: &Names) -> Option<Colour> {
    let end = start + token.text.len();
    let known = u32::try_from(start).ok().and_then(|start| names.get(&start));
    let (ty, modifiers) = match (token.kind, known) {
        (TokenKind::Word, Some((_, ty, modifiers))) => (ty.clone(), *modifiers),
        (TokenKind::Word, None) if KEYWORDS.contains(&token.text) => (SemanticTokenType::KEYWORD, 0),
        (TokenKind::Number, _) => (SemanticTokenType::NUMBER, 0),
        (TokenKind::Pattern, _) => (SemanticTokenType::REGEXP, 0),
        (TokenKind::Comment, _) if token.text.starts_with("///") => (SemanticTokenType::COMMENT, DOCUMENTATION),
        (TokenKind::Comment, _) => (SemanticTokenType::COMMENT, 0),
        _ => return None,
    };
    Some(Colour { start, end, ty, modifiers })
}

/// The text between holes, and what stands in the holes.
fn text_parts(token: &Token<'_>, base: usize, names: &Names, file: FileId, found: &mut Vec<Colour>) {
    let begin = base + token.start as usize;
    let mut at = 0;
    let push = |from: usize, to: usize, found: &mut Vec<Colour>| {
        if to > from {
            found.push(Colour { start: begin + from, end: begin + to, ty: SemanticTokenType::STRING, modifiers: 0 });
        }
    };
    while let Some(open) = token.text.get(at..).and_then(|rest| rest.find("{{")).map(|found| at + found) {
        let Some(close) = token.text.get(open..).and_then(|rest| rest.find("}}")).map(|found| open + found) else { break };
        push(at, open, found);
        let inside = token.text.get(open + 2..close).unwrap_or_default();
        for inner in tokens(file, inside) {
            let start = begin + open + 2 + inner.start as usize;
            match inner.kind {
                TokenKind::Text => {
                    found.push(Colour { start, end: start + inner.text.len(), ty: SemanticTokenType::STRING, modifiers: 0 });
                }
                _ => found.extend(plain(&inner, start, names)),
            }
        }
        at = close + 2;
    }
    push(at, token.text.len(), found);
}

/// What every name of the file is: where it is declared, where it is used, and names of settings and fields.
fn names(view: &View, file: FileId) -> Names {
    let mut names = Names::new();
    let Some(tree) = view.tree(file) else { return names };
    let mut words = Words { names: &mut names };
    tree.items().for_each(|item| walk::item(&mut words, item));
    let mut kinds: BTreeMap<Span, Kind> = BTreeMap::new();
    for known in view.checked.files.iter().map(|file| &*file.ast).chain([pmflow_compiler::types::prelude()]) {
        for declared in known.items().flat_map(declarations) {
            kinds.insert(declared.name.span, declared.kind);
        }
    }
    for (span, kind) in kinds.range(Span { file, start: 0, end: 0 }..).take_while(|(span, _)| span.file == file) {
        let (ty, modifiers) = colour(*kind);
        names.insert(span.start, (span.end, ty, modifiers | DECLARATION));
    }
    for reference in view.references_in(file) {
        let kind = kinds.get(&reference.definition).copied().unwrap_or(Kind::Module);
        let (ty, modifiers) = match kind {
            Kind::Function if reference.definition.file == FileId::PRELUDE => (SemanticTokenType::METHOD, STANDARD),
            kind => colour(kind),
        };
        names.insert(reference.span.start, (reference.span.end, ty, modifiers));
    }
    names
}

fn colour(kind: Kind) -> (SemanticTokenType, u32) {
    match kind {
        Kind::Type => (SemanticTokenType::TYPE, 0),
        Kind::Enum => (SemanticTokenType::ENUM, 0),
        Kind::EnumValue => (SemanticTokenType::ENUM_MEMBER, 0),
        Kind::Prompt | Kind::Function | Kind::Flow => (SemanticTokenType::FUNCTION, 0),
        Kind::Operation => (SemanticTokenType::METHOD, 0),
        Kind::Connector | Kind::Module => (SemanticTokenType::NAMESPACE, 0),
        Kind::Model | Kind::Budget => (SemanticTokenType::VARIABLE, READ_ONLY),
        Kind::Field => (SemanticTokenType::PROPERTY, 0),
        Kind::Parameter => (SemanticTokenType::PARAMETER, 0),
        Kind::Source | Kind::Variable => (SemanticTokenType::VARIABLE, 0),
    }
}

struct Words<'n> {
    names: &'n mut Names,
}

impl Words<'_> {
    fn put(&mut self, span: Span, ty: SemanticTokenType, modifiers: u32) {
        self.names.insert(span.start, (span.end, ty, modifiers));
    }
}

impl<'a> Visitor<'a> for Words<'_> {
    fn setting(&mut self, setting: &'a Setting) {
        self.put(setting.name.span, SemanticTokenType::PROPERTY, 0);
    }

    fn type_expr(&mut self, ty: &'a TypeExpr) {
        if let TypeExprKind::Named { path, .. } = &ty.kind
            && let [only] = path.names.as_slice()
            && crate::words::documentation(&[crate::words::TYPES], &only.text).is_some()
        {
            self.put(only.span, SemanticTokenType::TYPE, STANDARD);
        }
    }

    fn expr(&mut self, expr: &'a Expr) {
        match &expr.kind {
            ExprKind::Field { name: Some(name), .. } => self.put(name.span, SemanticTokenType::PROPERTY, 0),
            ExprKind::Record(fields) => {
                fields.iter().for_each(|field| self.put(field.name.span, SemanticTokenType::PROPERTY, 0));
            }
            ExprKind::Call { arguments, .. } => {
                let named = arguments.iter().filter_map(|argument| argument.name.as_ref());
                named.for_each(|name| self.put(name.span, SemanticTokenType::PARAMETER, 0));
            }
            ExprKind::EnumValue(name) => self.put(name.span, SemanticTokenType::ENUM_MEMBER, 0),
            // A lone word of a setting is a name too: `per run`.
            ExprKind::Name(name) if !KEYWORDS.contains(&name.as_str()) => self.put(expr.span, SemanticTokenType::VARIABLE, 0),
            _ => {}
        }
    }
}

/// Each token relative to the one before; a token ends with its line.
fn encoded(found: &[Colour], lines: &Lines) -> Vec<SemanticToken> {
    let mut all = Vec::new();
    let (mut last_line, mut last_start) = (0, 0);
    for colour in found {
        let Some(ty) = TYPES.iter().position(|known| *known == colour.ty).and_then(|ty| u32::try_from(ty).ok()) else { continue };
        for part in by_line(colour, lines) {
            let Range { start, end } = lines.range(part);
            if start.line != end.line || end.character <= start.character {
                continue;
            }
            let delta_start = if start.line == last_line { start.character - last_start } else { start.character };
            all.push(SemanticToken {
                delta_line: start.line - last_line,
                delta_start,
                length: end.character - start.character,
                token_type: ty,
                token_modifiers_bitset: colour.modifiers,
            });
            (last_line, last_start) = (start.line, start.character);
        }
    }
    all
}

fn by_line(colour: &Colour, lines: &Lines) -> Vec<std::ops::Range<usize>> {
    let (first, last) = (lines.line_of(colour.start), lines.line_of(colour.end.saturating_sub(1).max(colour.start)));
    let part = |line: usize| {
        let start = lines.line_start(line);
        let end = start + lines.line(line).trim_end_matches(['\n', '\r']).len();
        colour.start.max(start)..colour.end.min(end)
    };
    (first..=last).map(part).collect()
}

/// The legend and the tokens in words, for tests of grammars: kind, line and column from 1, text.
pub fn listed(workspace: &mut Workspace, file: FileId) -> Result<Vec<(String, u32, u32, String)>, Fault> {
    let view = workspace.view(file);
    let lines = workspace.lines(file);
    let all = classified(&view, &lines, file).into_iter().map(|colour| {
        let at = lines.position(colour.start);
        let text = lines.text().get(colour.start..colour.end).unwrap_or_default().to_owned();
        (colour.ty.as_str().to_owned(), at.line + 1, at.character + 1, text)
    });
    Ok(all.collect())
}
