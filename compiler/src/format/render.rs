//! From lines of tokens to text: alignment, blank lines, and the breaking of what is too long.

use super::WIDTH;
use super::places::{BeginKind, Places};
use super::spacing::is_spaced;
use super::tokens::{Token, TokenKind};

/// Tokens that stand on one line unless they are too many.
#[derive(Debug)]
pub struct Line<'t, 'a> {
    /// In levels.
    pub indent: usize,
    /// None: a comment, or what no place is known for.
    pub kind: Option<BeginKind>,
    pub tokens: &'t [Token<'a>],
}

const INDENT: usize = 2;

pub struct Renderer<'a> {
    text: &'a str,
    places: &'a Places,
}

/// A finished line: the comment at its end is aligned with those of its neighbours.
struct Output {
    code: String,
    comment: Option<String>,
    blank_before: bool,
}

impl<'a> Renderer<'a> {
    pub fn new(text: &'a str, places: &'a Places) -> Renderer<'a> {
        Renderer { text, places }
    }

    pub fn render(&self, lines: &[Line<'_, 'a>]) -> String {
        let widths = alignments(lines);
        let mut outputs: Vec<Output> = Vec::new();
        for (index, (line, width)) in lines.iter().zip(widths).enumerate() {
            let previous = index.checked_sub(1).and_then(|previous| lines.get(previous));
            let blank_before = previous.is_some_and(|previous| self.blank_between(lines, index, previous, line));
            outputs.push(self.line(line, width, blank_before));
        }
        join(&outputs)
    }

    /// One blank line where there was any; between items always, unless both are imports or models. None at the edges of
    /// a block.
    fn blank_between(&self, lines: &[Line<'_, 'a>], index: usize, previous: &Line<'_, 'a>, line: &Line<'_, 'a>) -> bool {
        let was_blank = line.tokens.first().is_some_and(|token| token.breaks > 1);
        if line.kind == Some(BeginKind::Close) || previous.indent < line.indent {
            return false;
        }
        let begins_item = starts_item(lines, index);
        let comment_before =
            previous.kind.is_none() && previous.tokens.first().is_some_and(|token| token.kind == TokenKind::Comment);
        match begins_item {
            Some(single) if !comment_before => was_blank || !(single && last_item_is_single(lines, index)),
            _ => was_blank,
        }
    }

    fn line(&self, line: &Line<'_, 'a>, width: usize, blank_before: bool) -> Output {
        let indent = line.indent * INDENT;
        if let Some(BeginKind::Kept { end }) = line.kind {
            return self.kept(line, end, indent, blank_before);
        }
        let (tokens, comment) = split_comment(line.tokens);
        let mut code = " ".repeat(indent);
        let entry = line.kind == Some(BeginKind::Entry);
        let tokens = without_trailing_comma(tokens);
        let key = if entry { key_length(tokens) } else { 0 };
        if key > 0 {
            let (name, value) = tokens.split_at(key);
            let name = flat(name, indent);
            code.push_str(&name);
            if !value.is_empty() {
                let pad = (width + 1).saturating_sub(name.chars().count()).max(1);
                code.push_str(&" ".repeat(pad));
                let used = code.chars().count();
                code.push_str(&self.breakable(value, indent, used));
            }
        } else {
            code.push_str(&self.breakable(tokens, indent, indent));
        }
        Output { code, comment, blank_before }
    }

    /// Bytes that were not understood; a comment behind them stays behind them.
    fn kept(&self, line: &Line<'_, 'a>, end: u32, indent: usize, blank_before: bool) -> Output {
        let start = line.tokens.first().map_or(end, |token| token.start);
        let mut code = " ".repeat(indent);
        code.push_str(self.text.get(start as usize..end as usize).unwrap_or_default());
        Output { code, comment: None, blank_before }
    }

    /// The tokens behind `used` characters of a line that is indented by `indent`.
    fn breakable(&self, tokens: &[Token<'a>], indent: usize, used: usize) -> String {
        if let Some(position) = outer_comment(tokens) {
            return self.around_comment(tokens, position, indent, used);
        }
        let has_comment = tokens.iter().any(|token| token.kind == TokenKind::Comment);
        if !has_comment && used + flat_width(tokens) <= WIDTH {
            return flat(tokens, indent);
        }
        if let Some(broken) = self.at_soft_places(tokens, indent, used) {
            return broken;
        }
        match widest_group(tokens) {
            Some((open, close)) => self.broken_group(tokens, open, close, indent),
            None => flat(tokens, indent),
        }
    }

    /// Broken before modifiers, as many on a line as fit; none when there is no such place.
    fn at_soft_places(&self, tokens: &[Token<'a>], indent: usize, used: usize) -> Option<String> {
        if tokens.iter().any(|token| token.kind == TokenKind::Comment) {
            return None;
        }
        let mut soft: Vec<u32> =
            tokens.iter().skip(1).map(|token| token.start).filter(|start| self.places.soft.contains(start)).collect();
        if soft.is_empty() {
            soft = joining_words(tokens);
        }
        let is_soft = |token: &Token<'_>| soft.binary_search(&token.start).is_ok();
        let first = 1 + tokens.iter().skip(1).position(is_soft)?;
        let (head, mut rest) = tokens.split_at(first);
        let mut text = self.breakable(head, indent, used);
        let inner = indent + INDENT;
        let mut width = WIDTH;
        while !rest.is_empty() {
            let end = rest.iter().skip(1).position(is_soft).map_or(rest.len(), |position| position + 1);
            let (piece, behind) = rest.split_at(end);
            let piece_width = flat_width(piece);
            if width + 1 + piece_width <= WIDTH {
                text.push(' ');
                width += 1 + piece_width;
            } else {
                text.push('\n');
                text.push_str(&" ".repeat(inner));
                width = inner + piece_width;
            }
            text.push_str(&self.breakable(piece, inner, width - piece_width));
            rest = behind;
        }
        Some(text)
    }

    fn around_comment(&self, tokens: &[Token<'a>], position: usize, indent: usize, used: usize) -> String {
        let (head, rest) = tokens.split_at(position);
        let inner = indent + INDENT;
        let Some((comment, tail)) = rest.split_first() else { return flat(tokens, indent) };
        if head.is_empty() {
            let tail = if tail.is_empty() { String::new() } else { self.breakable(tail, indent, indent) };
            let gap = if tail.is_empty() { String::new() } else { format!("\n{}", " ".repeat(indent)) };
            return format!("{}{gap}{tail}", comment.text);
        }
        let head_text = self.breakable(head, indent, used);
        let gap = if comment.breaks > 0 { format!("\n{}", " ".repeat(inner)) } else { "  ".to_owned() };
        let tail_text = if tail.is_empty() {
            String::new()
        } else {
            format!("\n{}{}", " ".repeat(inner), self.breakable(tail, inner, inner))
        };
        format!("{head_text}{gap}{}{tail_text}", comment.text)
    }

    /// One element of the brackets on each line.
    fn broken_group(&self, tokens: &[Token<'a>], open: usize, close: usize, indent: usize) -> String {
        let head = tokens.get(..=open).unwrap_or_default();
        let inside = tokens.get(open + 1..close).unwrap_or_default();
        let inner = indent + INDENT;
        let mut text = flat(head, indent);
        let margin = " ".repeat(inner);
        let mut rest = inside;
        while !rest.is_empty() {
            let end = element_end(rest);
            let (element, behind) = rest.split_at(end);
            let (comma, behind) = match behind.split_first() {
                Some((sign, tail)) if sign.is(",") => (true, tail),
                _ => (false, behind),
            };
            let lone_comment = matches!(element, [only] if only.kind == TokenKind::Comment);
            let blank = element.first().is_some_and(|token| token.breaks > 1) && !text.ends_with(['(', '[', '{']);
            text.push_str(if blank { "\n\n" } else { "\n" });
            text.push_str(&margin);
            text.push_str(&self.breakable(element, inner, inner));
            let closes = head.last().is_some_and(|bracket| !bracket.is("("));
            if !lone_comment && (comma || closes || !behind.iter().all(|token| token.kind == TokenKind::Comment)) {
                text.push(',');
            }
            rest = behind;
            if let Some((comment, tail)) = rest.split_first()
                && comment.kind == TokenKind::Comment
                && comment.breaks == 0
            {
                text.push_str("  ");
                text.push_str(comment.text);
                rest = tail;
            }
        }
        text.push('\n');
        text.push_str(&" ".repeat(indent));
        let tail = tokens.get(close..).unwrap_or_default();
        text.push_str(&self.tail(tail, indent));
        text
    }

    /// The closing bracket and what follows it.
    fn tail(&self, tokens: &[Token<'a>], indent: usize) -> String {
        let Some((bracket, rest)) = tokens.split_first() else { return String::new() };
        if rest.is_empty() {
            return bracket.text.to_owned();
        }
        let gap = rest.first().is_some_and(|next| is_spaced(std::slice::from_ref(bracket), next));
        let used = indent + 1 + usize::from(gap);
        format!("{}{}{}", bracket.text, if gap { " " } else { "" }, self.breakable(rest, indent, used))
    }
}

/// For each line, how wide the names of its run of entries are.
fn alignments(lines: &[Line<'_, '_>]) -> Vec<usize> {
    let mut widths = vec![0; lines.len()];
    let mut run: Vec<usize> = Vec::new();
    let mut widest = 0;
    let finish = |run: &mut Vec<usize>, widest: &mut usize, widths: &mut Vec<usize>| {
        for index in run.drain(..) {
            if let Some(width) = widths.get_mut(index) {
                *width = *widest;
            }
        }
        *widest = 0;
    };
    for (index, line) in lines.iter().enumerate() {
        let aligned = line.kind == Some(BeginKind::Entry) && !line.tokens.iter().any(|token| token.text.contains('\n'));
        let blank_before = line.tokens.first().is_some_and(|token| token.breaks > 1);
        let is_comment = line.kind.is_none();
        if blank_before || !(aligned || is_comment) {
            finish(&mut run, &mut widest, &mut widths);
        }
        if aligned {
            let key = key_length(line.tokens);
            widest = widest.max(flat_width(line.tokens.get(..key).unwrap_or_default()));
            run.push(index);
        }
    }
    finish(&mut run, &mut widest, &mut widths);
    widths
}

/// Words outside of all brackets that a long expression is broken before.
fn joining_words(tokens: &[Token<'_>]) -> Vec<u32> {
    let cases = words_outside_brackets(tokens, &["then", "else"]);
    if cases.is_empty() { words_outside_brackets(tokens, &["and", "or"]) } else { cases }
}

fn words_outside_brackets(tokens: &[Token<'_>], words: &[&str]) -> Vec<u32> {
    let mut depth = 0usize;
    let mut found = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let joins = words.iter().any(|word| token.is_word(word));
        let behind_block = index == 1 && tokens.first().is_some_and(|first| first.is("}"));
        if depth == 0 && index > 0 && joins && !behind_block {
            found.push(token.start);
        }
        depth = depth_after(depth, token);
    }
    found
}

/// How many tokens the name and its colon are.
fn key_length(tokens: &[Token<'_>]) -> usize {
    if tokens.get(1).is_some_and(|token| token.is(":")) { 2 } else { 0 }
}

/// Whether an item starts here, or the comments above one; its kind says whether it is of one line.
fn starts_item(lines: &[Line<'_, '_>], index: usize) -> Option<bool> {
    for line in lines.iter().skip(index) {
        match line.kind {
            None => {}
            Some(BeginKind::Item { single_line }) => return Some(single_line),
            _ => return None,
        }
    }
    None
}

fn last_item_is_single(lines: &[Line<'_, '_>], index: usize) -> bool {
    let before = lines.iter().take(index).rev().find(|line| line.kind.is_some());
    before.is_some_and(|line| line.kind == Some(BeginKind::Item { single_line: true }))
}

/// The comment at the end of the line, apart.
fn split_comment<'t, 'a>(tokens: &'t [Token<'a>]) -> (&'t [Token<'a>], Option<String>) {
    match tokens.split_last() {
        Some((last, rest)) if last.kind == TokenKind::Comment && !rest.is_empty() && last.breaks == 0 => {
            (rest, Some(last.text.to_owned()))
        }
        _ => (tokens, None),
    }
}

/// Between the lines of a block stands no comma.
fn without_trailing_comma<'t, 'a>(tokens: &'t [Token<'a>]) -> &'t [Token<'a>] {
    match tokens.split_last() {
        Some((last, rest)) if last.is(",") => rest,
        _ => tokens,
    }
}

/// A comment outside of all brackets.
fn outer_comment(tokens: &[Token<'_>]) -> Option<usize> {
    let mut depth = 0usize;
    for (index, token) in tokens.iter().enumerate() {
        depth = depth_after(depth, token);
        if depth == 0 && token.kind == TokenKind::Comment {
            return Some(index);
        }
    }
    None
}

fn depth_after(depth: usize, token: &Token<'_>) -> usize {
    match token.text {
        "(" | "[" | "{" if token.kind == TokenKind::Sign => depth + 1,
        ")" | "]" | "}" if token.kind == TokenKind::Sign => depth.saturating_sub(1),
        _ => depth,
    }
}

/// The element's tokens, without the comma behind it; a comment above it is an element of its own.
fn element_end(tokens: &[Token<'_>]) -> usize {
    if tokens.first().is_some_and(|token| token.kind == TokenKind::Comment) {
        return 1;
    }
    let mut depth = 0usize;
    for (index, token) in tokens.iter().enumerate() {
        if depth == 0 && (token.is(",") || (token.kind == TokenKind::Comment && index > 0 && ends_element(tokens, index))) {
            return index;
        }
        depth = depth_after(depth, token);
    }
    tokens.len()
}

/// Whether only comments follow.
fn ends_element(tokens: &[Token<'_>], index: usize) -> bool {
    tokens.iter().skip(index).all(|token| token.kind == TokenKind::Comment)
}

/// The brackets to break: those with a comment inside, else the widest; none when there are none worth it.
fn widest_group(tokens: &[Token<'_>]) -> Option<(usize, usize)> {
    let mut best: Option<(usize, usize, usize)> = None;
    let mut depth = 0usize;
    let mut open = 0usize;
    for (index, token) in tokens.iter().enumerate() {
        let after = depth_after(depth, token);
        if depth == 0 && after == 1 {
            open = index;
        }
        if depth == 1 && after == 0 {
            let inside = tokens.get(open + 1..index).unwrap_or_default();
            let comment = inside.iter().any(|token| token.kind == TokenKind::Comment);
            let weight = if comment { usize::MAX } else { flat_width(inside) };
            if !inside.is_empty() && best.is_none_or(|(_, _, heaviest)| weight > heaviest) {
                best = Some((open, index, weight));
            }
        }
        depth = after;
    }
    best.map(|(open, close, _)| (open, close))
}

/// All on one line; texts of several lines keep theirs.
fn flat(tokens: &[Token<'_>], indent: usize) -> String {
    let mut text = String::new();
    for (index, token) in tokens.iter().enumerate() {
        let before = tokens.get(..index).unwrap_or_default();
        if is_comma_before_bracket(tokens, index) {
            continue;
        }
        if is_spaced(without_dropped_comma(before, token), token) {
            text.push(' ');
        }
        match token.text.contains('\n') && token.kind == TokenKind::Text {
            true => text.push_str(&indented_text(token.text, indent)),
            false => text.push_str(token.text),
        }
    }
    text
}

/// `[1, 2, ]`: the last comma goes, on one line.
fn is_comma_before_bracket(tokens: &[Token<'_>], index: usize) -> bool {
    let closes = |token: &Token<'_>| token.is(")") || token.is("]") || token.is("}");
    tokens.get(index).is_some_and(|token| token.is(",")) && tokens.get(index + 1).is_some_and(closes)
}

fn without_dropped_comma<'t, 'a>(before: &'t [Token<'a>], next: &Token<'a>) -> &'t [Token<'a>] {
    let closes = next.is(")") || next.is("]") || next.is("}");
    match before.split_last() {
        Some((last, rest)) if closes && last.is(",") => rest,
        _ => before,
    }
}

/// In characters; a text of several lines counts as its quotes.
fn flat_width(tokens: &[Token<'_>]) -> usize {
    let mut width = 0;
    for (index, token) in tokens.iter().enumerate() {
        if is_comma_before_bracket(tokens, index) {
            continue;
        }
        let before = tokens.get(..index).unwrap_or_default();
        width += usize::from(is_spaced(without_dropped_comma(before, token), token));
        width += token.text.split('\n').next().unwrap_or_default().chars().count();
    }
    width
}

/// A `"""` text whose quotes stand on lines of their own, moved to this indentation; every other one as it is.
fn indented_text(text: &str, indent: usize) -> String {
    let inside = text.strip_prefix("\"\"\"").and_then(|rest| rest.strip_suffix("\"\"\""));
    let lines: Vec<&str> = inside.unwrap_or_default().split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
    let [first, content @ .., last] = lines.as_slice() else { return text.to_owned() };
    if !first.trim().is_empty() || !last.trim().is_empty() || inside.is_none() {
        return text.to_owned();
    }
    let blanks = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let least = content.iter().filter(|line| !line.trim().is_empty()).map(|line| blanks(line)).min();
    let Some(least) = least else { return text.to_owned() };
    let margin = " ".repeat(indent + INDENT);
    let mut moved = String::from("\"\"\"\n");
    for line in content {
        let rest = line.get(least.min(blanks(line))..).unwrap_or_default();
        if !rest.is_empty() {
            moved.push_str(&margin);
            moved.push_str(rest);
        }
        moved.push('\n');
    }
    moved.push_str(&" ".repeat(indent));
    moved.push_str("\"\"\"");
    moved
}

/// Puts the lines together; comments at the ends of neighbouring lines start in one column.
fn join(outputs: &[Output]) -> String {
    let mut text = String::new();
    let mut index = 0;
    while index < outputs.len() {
        let run = outputs.iter().skip(index).enumerate();
        let run = run.take_while(|(offset, output)| output.comment.is_some() && (*offset == 0 || !output.blank_before)).count();
        let column = outputs.iter().skip(index).take(run).map(last_line_width).max().unwrap_or(0);
        for output in outputs.iter().skip(index).take(run.max(1)) {
            if output.blank_before {
                text.push('\n');
            }
            text.push_str(&output.code);
            if let Some(comment) = &output.comment {
                text.push_str(&" ".repeat(column - last_line_width(output) + 2));
                text.push_str(comment);
            }
            // A text that is never closed takes the end of the file along.
            if !text.ends_with('\n') {
                text.push('\n');
            }
        }
        index += run.max(1);
    }
    text
}

fn last_line_width(output: &Output) -> usize {
    output.code.rsplit('\n').next().unwrap_or_default().chars().count()
}
