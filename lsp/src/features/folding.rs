//! What can be folded away, and what a selection grows to.

use crate::positions::Lines;
use crate::protocol::Answer;
use crate::syntax::{Around, piece_span};
use crate::workspace::Workspace;
use pmflow_compiler::Span;
use pmflow_compiler::format::tokens::{TokenKind, tokens};
use pmflow_compiler::syntax::ast::{File, ItemKind};
use std::collections::BTreeSet;
use tower_lsp_server::ls_types::*;

pub fn folding(workspace: &mut Workspace, params: FoldingRangeParams) -> Answer<Option<Vec<FoldingRange>>> {
    let file = workspace.document(&params.text_document)?;
    let lines = workspace.lines(file);
    let text = lines.text().clone();
    let parsed = workspace.files.parsed(file, &text);
    let mut found: BTreeSet<(u32, u32, Option<FoldingKind>)> = BTreeSet::new();
    let line = |offset: usize| u32::try_from(lines.line_of(offset)).unwrap_or(u32::MAX);
    brackets(file, &text, &mut |start, end, is_text| {
        // The closing line stays in sight; that of a text as well.
        let (first, last) = (line(start), line(end).saturating_sub(1));
        if last > first {
            found.insert((first, last, is_text.then_some(FoldingKind::Text)));
        }
    });
    runs(&parsed.file, &parsed.comments.iter().map(|comment| comment.span).collect::<Vec<_>>(), &lines, &mut found);
    let ranges = found.into_iter().map(|(start_line, end_line, kind)| FoldingRange {
        start_line,
        end_line,
        kind: match kind {
            Some(FoldingKind::Comments) => Some(FoldingRangeKind::Comment),
            Some(FoldingKind::Imports) => Some(FoldingRangeKind::Imports),
            _ => None,
        },
        ..FoldingRange::default()
    });
    Ok(Some(ranges.collect()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum FoldingKind {
    Text,
    Comments,
    Imports,
}

fn brackets(file: pmflow_compiler::FileId, text: &str, found: &mut dyn FnMut(usize, usize, bool)) {
    let mut open: Vec<(usize, &str)> = Vec::new();
    for token in tokens(file, text) {
        let start = token.start as usize;
        match (token.kind, token.text) {
            (TokenKind::Text, text) if text.contains('\n') => found(start, start + text.len(), true),
            (TokenKind::Sign, "{" | "[" | "(") => open.push((start, token.text)),
            (TokenKind::Sign, "}" | "]" | ")") => {
                if let Some((opened, _)) = open.pop() {
                    found(opened, start, false);
                }
            }
            _ => {}
        }
    }
}

/// Comments and imports on lines that follow each other.
fn runs(tree: &File, comments: &[Span], lines: &Lines, found: &mut BTreeSet<(u32, u32, Option<FoldingKind>)>) {
    let imports = tree.items().filter(|item| matches!(item.kind, ItemKind::Import(_))).map(|item| item.span);
    let imports: Vec<Span> = imports.collect();
    for (spans, kind) in [(comments, FoldingKind::Comments), (&imports, FoldingKind::Imports)] {
        let mut run: Option<(usize, usize)> = None;
        for at in spans.iter().map(|span| lines.line_of(span.start as usize)).chain([usize::MAX]) {
            match run {
                Some((first, last)) if at == last + 1 => run = Some((first, at)),
                Some((first, last)) => {
                    if let (true, Ok(first), Ok(last)) = (last > first, u32::try_from(first), u32::try_from(last)) {
                        found.insert((first, last, Some(kind)));
                    }
                    run = Some((at, at));
                }
                None => run = Some((at, at)),
            }
        }
    }
}

pub fn selection(workspace: &mut Workspace, params: SelectionRangeParams) -> Answer<Option<Vec<SelectionRange>>> {
    let file = workspace.document(&params.text_document)?;
    let lines = workspace.lines(file);
    let parsed = workspace.files.parsed(file, lines.text());
    let grown = |position: &Position| {
        let offset = u32::try_from(lines.offset(*position)).unwrap_or(u32::MAX);
        nested(&stretches(&parsed.file, lines.text(), offset), &lines, *position)
    };
    Ok(Some(params.positions.iter().map(grown).collect()))
}

/// Everything around a place, from the word to the file.
fn stretches(tree: &File, text: &str, offset: u32) -> Vec<Span> {
    let around = Around::place(tree, offset);
    let mut spans: BTreeSet<(u32, std::cmp::Reverse<u32>)> = BTreeSet::new();
    let mut add = |span: Span| {
        if span.start <= offset && offset <= span.end {
            spans.insert((span.start, std::cmp::Reverse(span.end)));
        }
    };
    add(Span { file: tree.id, start: 0, end: u32::try_from(text.len()).unwrap_or(u32::MAX) });
    around.item.into_iter().for_each(|item| add(item.span));
    around.operation.into_iter().for_each(|operation| add(operation.span));
    around.blocks.iter().for_each(|block| add(block.span));
    around.steps.iter().for_each(|step| add(step.span));
    around.settings.iter().for_each(|setting| add(setting.span));
    around.fields.iter().for_each(|field| add(field.span));
    around.parameters.iter().for_each(|parameter| add(parameter.span));
    around.modifiers.iter().for_each(|modifier| add(modifier.span));
    around.test_steps.iter().for_each(|step| add(step.span));
    around.types.iter().for_each(|ty| add(ty.span));
    around.exprs.iter().for_each(|expr| add(expr.span));
    around.pieces.iter().for_each(|piece| add(piece_span(piece)));
    let word = word(tree.id, text, offset);
    if word.end > word.start {
        add(word);
    }
    let mut nested: Vec<Span> = Vec::new();
    for (start, std::cmp::Reverse(end)) in spans {
        // Stretches that overlap without one holding the other cannot both be selected.
        if nested.last().is_none_or(|outer| outer.start <= start && end <= outer.end) {
            nested.push(Span { file: tree.id, start, end });
        }
    }
    nested
}

fn word(file: pmflow_compiler::FileId, text: &str, offset: u32) -> Span {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let at = text.floor_char_boundary(offset as usize);
    let (before, after) = text.split_at(at);
    let start = at - before.chars().rev().take_while(|c| is_word(*c)).map(char::len_utf8).sum::<usize>();
    let end = at + after.chars().take_while(|c| is_word(*c)).map(char::len_utf8).sum::<usize>();
    Span { file, start: u32::try_from(start).unwrap_or(offset), end: u32::try_from(end).unwrap_or(offset) }
}

fn nested(outer_first: &[Span], lines: &Lines, position: Position) -> SelectionRange {
    let empty = SelectionRange { range: Range { start: position, end: position }, parent: None };
    let grown = outer_first.iter().fold(None, |parent: Option<Box<SelectionRange>>, span| {
        Some(Box::new(SelectionRange { range: lines.span(*span), parent }))
    });
    grown.map_or(empty, |innermost| *innermost)
}
