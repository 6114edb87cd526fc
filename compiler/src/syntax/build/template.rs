//! Texts and the `{{ }}` holes in them.

use super::{Builder, Docs, Pairs, Rule};
use crate::Span;
use crate::problems::Problem;
use crate::syntax::ast::{Expr, ExprKind, Name, Template, TemplatePiece};
use crate::syntax::scan;
use crate::syntax::shorten::Short;
use ecow::EcoString;

/// What a hole says.
enum Hole {
    Value(Expr),
    If(Expr),
    ElseIf(Expr),
    Else,
    For(Name, Expr),
    End,
}

/// A block that is not closed yet.
struct Open {
    span: Span,
    kind: OpenKind,
    /// Pieces since the block, or its `else`, began.
    pieces: Vec<TemplatePiece>,
}

enum OpenKind {
    /// `then` is there once `else` was met. `chained`: an `else if`, closed by the `end` of the `if` before it.
    If {
        condition: Expr,
        then: Option<Vec<TemplatePiece>>,
        chained: bool,
    },
    For {
        variable: Name,
        list: Expr,
    },
}

struct Assembly {
    pieces: Vec<TemplatePiece>,
    open: Vec<Open>,
    text: EcoString,
    text_start: u32,
    /// Blocks nest beyond the limit: reported once, and the rest of the text is not read.
    too_deep: bool,
}

impl Builder<'_> {
    /// The text literal at `span`, quotes included.
    pub(super) fn template(&mut self, span: Span) -> Template {
        let source = self.source(span);
        let multiline = source.starts_with("\"\"\"");
        let quotes = if multiline { 3 } else { 1 };
        let (_, closed) = scan::text_end(source.as_bytes(), 0);
        let mut content = quotes..if closed { source.len() - quotes } else { source.len().max(quotes) };
        let mut indentation = 0;
        if multiline {
            content = without_outer_line_breaks(source, content);
            indentation = least_indentation(source, &content);
        }
        let mut assembly = Assembly::new(span.start + content.start as u32);
        self.pieces(source, span, content, indentation, multiline, &mut assembly);
        let pieces = self.close_blocks(assembly, span);
        Template { span, multiline, pieces }
    }

    fn pieces(
        &mut self,
        source: &str,
        span: Span,
        content: std::ops::Range<usize>,
        indentation: usize,
        multiline: bool,
        assembly: &mut Assembly,
    ) {
        let bytes = source.as_bytes();
        let mut at = content.start;
        // The text right behind the opening quotes is not indented.
        let mut line_start = multiline && (content.start == 0 || bytes.get(content.start - 1) == Some(&b'\n'));
        while at < content.end {
            if std::mem::take(&mut line_start) {
                at += blanks_at(bytes, at, content.end, indentation);
                assembly.text_start_if_empty(span.start + at as u32);
                continue;
            }
            let rest = source.get(at..content.end).unwrap_or_default();
            match bytes.get(at) {
                Some(b'\\') => at += self.escape(rest, span.start + at as u32, assembly),
                Some(b'{') if rest.starts_with("{{") => {
                    at += self.hole_piece(rest, span.start + at as u32, multiline, assembly);
                    assembly.text_start_if_empty(span.start + at as u32);
                }
                Some(b'\r') if rest.starts_with("\r\n") => at += 1,
                _ => {
                    let length = plain_length(rest);
                    assembly.text.push_str(rest.get(..length).unwrap_or_default());
                    line_start = multiline && rest.as_bytes().get(length - 1) == Some(&b'\n');
                    at += length;
                }
            }
        }
        assembly.flush(span.file, span.start + content.end as u32);
    }

    /// Resolves the escape at the start of `rest`; how many bytes it takes.
    fn escape(&mut self, rest: &str, start: u32, assembly: &mut Assembly) -> usize {
        let next = rest.chars().nth(1);
        let simple = match next {
            Some('n') => Some('\n'),
            Some('t') => Some('\t'),
            Some('r') => Some('\r'),
            Some(same @ ('"' | '\\' | '{' | '}')) => Some(same),
            _ => None,
        };
        if let Some(character) = simple {
            assembly.text.push(character);
            return 2;
        }
        if let Some((character, length)) = unicode_escape(rest) {
            assembly.text.push(character);
            return length;
        }
        let length = 1 + next.filter(|character| *character != '\n').map_or(0, char::len_utf8);
        let shown = rest.get(..length).unwrap_or("\\");
        let span = Span { file: self.file, start, end: start + length as u32 };
        let problem = Problem::new("E0006", span, format!("`{shown}` is not an escape"))
            .help("the escapes are `\\n`, `\\t`, `\\\"`, `\\\\`, `\\{` and `\\u{1F600}`");
        self.report(problem.fix("write `\\\\`", Span { end: start + 1, ..span }, "\\\\"));
        assembly.text.push_str(shown);
        length
    }

    /// Reads the hole at the start of `rest`; how many bytes it takes.
    fn hole_piece(&mut self, rest: &str, start: u32, multiline: bool, assembly: &mut Assembly) -> usize {
        let opening = Span { file: self.file, start, end: start + 2 };
        let Some(length) = scan::hole_end(rest.as_bytes(), 0, multiline) else {
            let problem = Problem::new("E0007", opening, "this `{{` is never closed: its `}}` is missing");
            self.report(problem.label("the hole starts here").help("for two braces as they are, write `\\{\\{`"));
            assembly.text.push_str("{{");
            return 2;
        };
        let span = Span { end: start + length as u32, ..opening };
        assembly.flush(self.file, start);
        if assembly.too_deep {
            return length;
        }
        if self.depth + assembly.open.len() >= super::TREE_DEPTH_MAX {
            assembly.too_deep = true;
            self.report(crate::syntax::parse::too_deep(opening));
            return length;
        }
        let inside = Span { start: span.start + 2, end: span.end - 2, ..span };
        if let Some(hole) = self.hole(inside) {
            self.place(hole, span, assembly);
        }
        length
    }

    fn place(&mut self, hole: Hole, span: Span, assembly: &mut Assembly) {
        match hole {
            Hole::Value(value) => assembly.push(TemplatePiece::Hole { value, span }),
            Hole::If(condition) => assembly.begin(span, OpenKind::If { condition, then: None, chained: false }),
            Hole::For(variable, list) => assembly.begin(span, OpenKind::For { variable, list }),
            Hole::Else => {
                if !assembly.otherwise() {
                    self.misplaced(span, "`{{ else }}`", "`{{ if … }}`");
                }
            }
            Hole::ElseIf(condition) => {
                if assembly.otherwise() {
                    assembly.begin(span, OpenKind::If { condition, then: None, chained: true });
                } else {
                    self.misplaced(span, "`{{ else if … }}`", "`{{ if … }}`");
                }
            }
            Hole::End => {
                if !assembly.end(span) {
                    self.misplaced(span, "`{{ end }}`", "`{{ if … }}` or `{{ for … }}`");
                }
            }
        }
    }

    fn misplaced(&mut self, span: Span, what: &str, opener: &str) {
        self.report(Problem::new("E0008", span, format!("this {what} has no {opener} before it that is still open")));
    }

    fn close_blocks(&mut self, mut assembly: Assembly, span: Span) -> Vec<TemplatePiece> {
        let end = super::behind(span);
        while let Some(open) = assembly.open.last() {
            let block = if matches!(open.kind, OpenKind::For { .. }) { "for" } else { "if" };
            let chained = matches!(open.kind, OpenKind::If { chained: true, .. });
            if !chained && !assembly.too_deep {
                let problem = Problem::new("E0008", open.span, format!("this `{{{{ {block} … }}}}` has no `{{{{ end }}}}`"));
                self.report(problem.label("opened here").help("write `{{ end }}` where the block ends"));
            }
            assembly.end(end);
        }
        assembly.pieces
    }

    /// What stands between `{{` and `}}`; none: already reported.
    fn hole(&mut self, inside: Span) -> Option<Hole> {
        let content = self.source(inside);
        let scanned = scan::scan(self.file, content, inside.start);
        self.problems.extend(scanned.problems);
        if let Some(&at) = scanned.too_deep.first() {
            self.report(crate::syntax::parse::too_deep(Span { start: at, end: at + 1, ..inside }));
            return None;
        }
        let masked = scanned.masked.as_str();
        let trimmed = masked.trim();
        let start = inside.start as usize + (masked.len() - masked.trim_start().len());
        if trimmed.is_empty() {
            let problem =
                Problem::new("E0007", Span { start: inside.start - 2, end: inside.end + 2, ..inside }, "this hole is empty");
            self.report(problem.help("write a value between the braces, such as `{{ lead.name }}`"));
            return None;
        }
        let (word, rest) = split_word(trimmed);
        let rest_start = start + (trimmed.len() - rest.len());
        let whole_keyword = Span { file: self.file, start: start as u32, end: (start + word.len()) as u32 };
        match word {
            "end" if rest.is_empty() => Some(Hole::End),
            "else" if rest.is_empty() => Some(Hole::Else),
            "else" if split_word(rest).0 == "if" => {
                let (_, condition) = split_word(rest);
                let condition_start = start + (trimmed.len() - condition.len());
                Some(Hole::ElseIf(self.part(condition, condition_start, whole_keyword, "a condition after `else if`")))
            }
            "if" if !has_word(rest, "then") => {
                Some(Hole::If(self.part(rest, rest_start, whole_keyword, "a condition after `if`")))
            }
            "for" => Some(self.for_hole(rest, rest_start, whole_keyword)),
            _ => Some(Hole::Value(self.part(trimmed, start, whole_keyword, "a value"))),
        }
    }

    fn for_hole(&mut self, masked: &str, start: usize, keyword: Span) -> Hole {
        self.with_part(Rule::hole_for, masked, start, |builder, pairs| {
            let mut pairs = pairs.peekable();
            let name = pairs.next_if(|piece| piece.as_rule() == Rule::name).map(|name| builder.name(&name));
            let name = builder.name_or_report(name, keyword, "a name for the element after `for`");
            let in_keyword = pairs.next_if(|piece| matches!(piece.as_rule(), Rule::kw_in | Rule::kw_of));
            let in_keyword = in_keyword.map(|piece| builder.in_keyword(&piece));
            if in_keyword.is_none() {
                builder.expected(name.span, "`in` and a list");
            }
            let list = pairs.next_if(|piece| piece.as_rule() == Rule::expression);
            let after = in_keyword.unwrap_or(name.span);
            let list = match (list, in_keyword) {
                (None, None) => super::expressions::missing(after),
                (list, _) => builder.expression_or_report(list, after, "a list after `in`"),
            };
            builder.report_rest(pairs);
            Hole::For(name, list)
        })
        .unwrap_or_else(|| Hole::Value(super::expressions::missing(keyword)))
    }

    /// An expression that is a part of a text.
    fn part(&mut self, masked: &str, start: usize, keyword: Span, what: &str) -> Expr {
        let parsed = self.with_part(Rule::hole, masked, start, |builder, pairs| {
            let mut pairs = pairs.peekable();
            let value = pairs.next_if(|piece| piece.as_rule() == Rule::expression);
            if value.is_none() && pairs.peek().is_some_and(|piece| piece.as_rule() == Rule::tail) {
                builder.report_rest(pairs);
                return super::expressions::missing(keyword);
            }
            let value = builder.expression_or_report(value, keyword, what);
            builder.report_rest(pairs);
            value
        });
        parsed.unwrap_or(Expr { span: keyword, kind: ExprKind::Missing })
    }

    fn report_rest<'p>(&mut self, pairs: impl Iterator<Item = super::Pair<'p>>) {
        for piece in pairs {
            if piece.as_rule() == Rule::tail {
                let span = self.span(&piece);
                self.unexpected_at(span, "an operator, or the `}}` of the hole");
            }
        }
    }

    fn with_part<R>(
        &mut self,
        rule: Rule,
        masked: &str,
        start: usize,
        read: impl for<'p> FnOnce(&mut Builder<'p>, Pairs<'p>) -> R,
    ) -> Option<R> {
        let mut docs = Docs::new(Vec::new());
        let short = Short::of(masked);
        let mut builder = Builder::new(self.file, self.text, masked, &short, start, &mut docs);
        builder.depth = self.depth + 1;
        let pairs = builder.parse(rule);
        let result = pairs.map(|pairs| read(&mut builder, pairs));
        let problems = builder.problems;
        self.problems.extend(problems);
        result
    }
}

impl Assembly {
    fn new(text_start: u32) -> Assembly {
        Assembly { pieces: Vec::new(), open: Vec::new(), text: EcoString::new(), text_start, too_deep: false }
    }

    fn text_start_if_empty(&mut self, at: u32) {
        if self.text.is_empty() {
            self.text_start = at;
        }
    }

    fn flush(&mut self, file: crate::FileId, end: u32) {
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.push(TemplatePiece::Text { text, span: Span { file, start: self.text_start, end } });
        }
        self.text_start = end;
    }

    fn push(&mut self, piece: TemplatePiece) {
        match self.open.last_mut() {
            Some(open) => open.pieces.push(piece),
            None => self.pieces.push(piece),
        }
    }

    fn begin(&mut self, span: Span, kind: OpenKind) {
        self.open.push(Open { span, kind, pieces: Vec::new() });
    }

    /// `{{ else }}`; false: no `if` without one is open.
    fn otherwise(&mut self) -> bool {
        let Some(open) = self.open.last_mut() else { return false };
        match &mut open.kind {
            OpenKind::If { then: then @ None, .. } => {
                *then = Some(std::mem::take(&mut open.pieces));
                true
            }
            _ => false,
        }
    }

    /// `{{ end }}`; false: nothing is open. An `else if` ends together with its `if`.
    fn end(&mut self, end: Span) -> bool {
        let Some(open) = self.open.pop() else { return false };
        let span = open.span.to(end);
        let (piece, chained) = match open.kind {
            OpenKind::For { variable, list } => (TemplatePiece::For { variable, list, body: open.pieces, span }, false),
            OpenKind::If { condition, then, chained } => {
                let (then, otherwise) = match then {
                    Some(then) => (then, open.pieces),
                    None => (open.pieces, Vec::new()),
                };
                (TemplatePiece::If { condition, then, otherwise, span }, chained)
            }
        };
        self.push(piece);
        if chained { self.end(end) } else { true }
    }
}

/// Without the line break behind the opening quotes and the one before the closing quotes, blanks included.
fn without_outer_line_breaks(source: &str, content: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let text = source.get(content.clone()).unwrap_or_default();
    let first = text.find('\n').filter(|&end| text.get(..end).is_some_and(|line| line.trim().is_empty()));
    let start = content.start + first.map_or(0, |end| end + 1);
    let text = source.get(start..content.end).unwrap_or_default();
    let last = text.rfind('\n').filter(|&end| text.get(end..).is_some_and(|line| line.trim().is_empty()));
    match last {
        Some(end) if text.get(..end).is_some_and(|before| before.ends_with('\r')) => start..start + end - 1,
        Some(end) => start..start + end,
        None if text.trim().is_empty() && first.is_some() => start..start,
        None => start..content.end,
    }
}

/// The indentation of the least indented line that is not blank; the text right behind the quotes does not count.
fn least_indentation(source: &str, content: &std::ops::Range<usize>) -> usize {
    let text = source.get(content.clone()).unwrap_or_default();
    let behind_quotes = content.start <= 3;
    let lines = text.split('\n').skip(usize::from(behind_quotes)).filter(|line| !line.trim().is_empty());
    lines.map(|line| line.len() - line.trim_start_matches([' ', '\t']).len()).min().unwrap_or(0)
}

/// How many of the line's first bytes are indentation to take away.
fn blanks_at(bytes: &[u8], at: usize, end: usize, indentation: usize) -> usize {
    let line = bytes.get(at..end).unwrap_or_default();
    line.iter().take(indentation).take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

/// The length of the stretch that is only text: to the next escape, hole or line; at least one character.
fn plain_length(rest: &str) -> usize {
    let first = rest.chars().next().map_or(1, char::len_utf8);
    if rest.starts_with('\n') {
        return 1;
    }
    let stop = rest.get(first..).and_then(|tail| tail.find(['\\', '{', '\n', '\r']));
    let length = stop.map_or(rest.len(), |stop| first + stop);
    if rest.as_bytes().get(length) == Some(&b'\n') { length + 1 } else { length }
}

/// `\u{1F600}` at the start of `rest`, and how many bytes it takes.
fn unicode_escape(rest: &str) -> Option<(char, usize)> {
    let digits = rest.strip_prefix("\\u{")?;
    let end = digits.find('}').filter(|end| (1..=6).contains(end))?;
    let code = u32::from_str_radix(digits.get(..end)?, 16).ok()?;
    Some((char::from_u32(code)?, 3 + end + 1))
}

/// The first word and what follows it, without the blanks between.
fn split_word(text: &str) -> (&str, &str) {
    let end = text.find(|character: char| !(character.is_ascii_alphanumeric() || character == '_')).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    (word, rest.trim_start())
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_')).any(|found| found == word)
}
