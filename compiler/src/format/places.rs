//! Where lines begin, read from the syntax tree.

use crate::syntax::Parsed;
use crate::syntax::ast::*;
use crate::{Problems, Span};
use std::collections::{BTreeMap, BTreeSet};

/// A line begins at this token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Begin {
    /// In levels.
    pub indent: usize,
    pub kind: BeginKind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BeginKind {
    Item {
        single_line: bool,
    },
    /// A step, an operation, an arm.
    Member,
    /// `name: …`: its value is aligned with those of its neighbours.
    Entry,
    /// The `}` of a block; comments before it stand one level deeper.
    Close,
    /// Not understood: these bytes stay as they are, up to `end`.
    Kept {
        end: u32,
    },
}

/// By the first byte of the token.
#[derive(Debug, Default)]
pub struct Places {
    pub begins: BTreeMap<u32, Begin>,
    /// Where a line that is too long is broken first.
    pub soft: BTreeSet<u32>,
}

/// `whole_items`: an item with a problem in it is kept as a whole, not only the part around the problem.
pub fn places(parsed: &Parsed, text: &str, whole_items: bool) -> Places {
    let mut walker = Walker { whole_items, text, problems: positions(&parsed.problems), places: Places::default() };
    for item in &parsed.file.items {
        walker.item(item, 0);
    }
    walker.places
}

/// The places of the syntax problems, sorted.
fn positions(problems: &Problems) -> Vec<u32> {
    let related = |problem: &crate::Problem| problem.related.iter().map(|related| related.span.start).collect::<Vec<_>>();
    let mut positions: Vec<u32> =
        problems.all.iter().flat_map(|problem| std::iter::once(problem.span.start).chain(related(problem))).collect();
    positions.sort_unstable();
    positions
}

struct Walker<'a> {
    whole_items: bool,
    text: &'a str,
    problems: Vec<u32>,
    places: Places,
}

/// A part of a block, with the parts inside of it that have lines of their own.
type Inner = Vec<Span>;

impl Walker<'_> {
    /// Whether a problem lies in the span but in none of the inner ones.
    fn is_broken(&self, span: Span, inner: &[Span]) -> bool {
        let first = self.problems.partition_point(|&at| at < span.start);
        let inside = self.problems.iter().skip(first).take_while(|&&at| at <= span.end);
        inside.clone().any(|&at| !inner.iter().any(|part| part.start <= at && at <= part.end))
    }

    /// Begins a line; false: it is broken and kept, so nothing in it is laid out.
    fn begin(&mut self, span: Span, indent: usize, kind: BeginKind, inner: &[Span]) -> bool {
        let broken = self.is_broken(span, inner);
        let kind = if broken { BeginKind::Kept { end: span.end } } else { kind };
        self.places.begins.insert(span.start, Begin { indent, kind });
        !broken
    }

    fn keep(&mut self, span: Span, indent: usize) {
        self.places.begins.insert(span.start, Begin { indent, kind: BeginKind::Kept { end: span.end } });
    }

    /// The `}` that ends the span.
    fn close(&mut self, span: Span, indent: usize) {
        if self.text.get(..span.end as usize).is_some_and(|text| text.ends_with('}')) {
            self.places.begins.insert(span.end - 1, Begin { indent, kind: BeginKind::Close });
        }
    }

    fn item(&mut self, item: &Item, indent: usize) {
        let inner = if self.whole_items && self.is_broken(item.span, &[]) { Vec::new() } else { item_parts(&item.kind) };
        let single_line = matches!(item.kind, ItemKind::Import(_) | ItemKind::Model(_));
        let kind = if indent == 0 { BeginKind::Item { single_line } } else { BeginKind::Member };
        if matches!(item.kind, ItemKind::Broken) {
            return self.keep(item.span, indent);
        }
        if !self.begin(item.span, indent, kind, &inner) {
            return;
        }
        match &item.kind {
            ItemKind::Type(ty) => self.fields(&ty.fields, indent + 1),
            ItemKind::Prompt(prompt) => {
                self.settings(&prompt.settings, indent + 1);
                for example in &prompt.examples {
                    if self.begin(example.span, indent + 1, BeginKind::Member, &spans_of_settings(&example.settings)) {
                        self.settings(&example.settings, indent + 2);
                        self.close(example.span, indent + 1);
                    }
                }
            }
            ItemKind::Connector(connector) => self.connector(connector, indent + 1),
            ItemKind::Budget(budget) => self.settings(&budget.settings, indent + 1),
            ItemKind::Flow(flow) => {
                self.settings(&flow.settings, indent + 1);
                self.steps(&flow.body.steps, indent + 1);
            }
            ItemKind::Test(test) => {
                for step in &test.steps {
                    self.begin(step.span, indent + 1, BeginKind::Member, &[]);
                }
            }
            ItemKind::Model(model) => {
                for link in model.chain.iter().skip(1) {
                    self.soft_word_before("else", link.span);
                }
                return;
            }
            ItemKind::Function(function) => {
                self.places.soft.insert(function.body.span.start);
                return;
            }
            _ => return,
        }
        if !inner.is_empty() {
            self.close(item.span, indent);
        }
    }

    fn connector(&mut self, connector: &ConnectorItem, indent: usize) {
        self.settings(&connector.settings, indent);
        for item in &connector.types {
            self.item(item, indent);
        }
        for operation in &connector.operations {
            if self.begin(operation.span, indent, BeginKind::Member, &spans_of_settings(&operation.settings)) {
                self.settings(&operation.settings, indent + 1);
                if !operation.settings.is_empty() {
                    self.close(operation.span, indent);
                }
            }
        }
    }

    fn fields(&mut self, fields: &[FieldDeclaration], indent: usize) {
        for field in fields {
            self.begin(field.span, indent, BeginKind::Entry, &[]);
        }
    }

    fn settings(&mut self, settings: &[Setting], indent: usize) {
        for setting in settings {
            self.begin(setting.span, indent, BeginKind::Entry, &[]);
        }
    }

    fn steps(&mut self, steps: &[Step], indent: usize) {
        for step in steps {
            if matches!(step.kind, StepKind::Broken) {
                self.keep(step.span, indent);
            } else if self.begin(step.span, indent, BeginKind::Member, &step_parts(&step.kind)) {
                self.step(&step.kind, indent);
            }
        }
    }

    fn block(&mut self, block: &Block, indent: usize) {
        self.steps(&block.steps, indent + 1);
        if !block.steps.is_empty() {
            self.close(block.span, indent);
        }
    }

    fn step(&mut self, kind: &StepKind, indent: usize) {
        match kind {
            StepKind::Source { modifiers, .. } | StepKind::Let { modifiers, .. } | StepKind::Do { modifiers, .. } => {
                self.places.soft.extend(modifiers.iter().map(|modifier| modifier.span.start));
            }
            StepKind::Output { tagged: Some(tagged), .. } => self.soft_word_before("tagged", tagged.span),
            StepKind::LetFor { body, .. } | StepKind::For(body) => self.block(&body.body, indent),
            StepKind::Repeat { body, .. } | StepKind::Parallel { body } => self.block(body, indent),
            StepKind::Approve { otherwise: Some(block), .. } => self.block(block, indent),
            StepKind::If { then, otherwise, .. } => {
                self.block(then, indent);
                match otherwise {
                    Some(Otherwise::Block(block)) => self.block(block, indent),
                    Some(Otherwise::If(step)) => self.step(&step.kind, indent),
                    None => {}
                }
            }
            StepKind::Match { arms, otherwise, .. } => self.match_arms(arms, otherwise.as_ref(), indent),
            _ => {}
        }
    }

    fn match_arms(&mut self, arms: &[MatchArm], otherwise: Option<&Block>, indent: usize) {
        let mut last = None;
        for arm in arms {
            last = Some(arm.span.end);
            if self.begin(arm.span, indent + 1, BeginKind::Member, &spans_of_steps(&arm.body.steps)) {
                self.block(&arm.body, indent + 1);
            }
        }
        if let Some(block) = otherwise {
            if let Some(start) = self.word_before("else", block.span) {
                self.places.begins.insert(start, Begin { indent: indent + 1, kind: BeginKind::Member });
            }
            self.block(block, indent + 1);
            last = last.max(Some(block.span.end));
        }
        let Some(last) = last else { return };
        let rest = self.text.get(last as usize..).unwrap_or_default();
        if let Some(offset) = closing_brace(rest) {
            self.places.begins.insert(last + offset as u32, Begin { indent, kind: BeginKind::Close });
        }
    }

    fn soft_word_before(&mut self, word: &str, span: Span) {
        if let Some(start) = self.word_before(word, span) {
            self.places.soft.insert(start);
        }
    }

    /// Where the keyword right before the span starts.
    fn word_before(&self, word: &str, span: Span) -> Option<u32> {
        let before = self.text.get(..span.start as usize)?.trim_end();
        before.ends_with(word).then(|| (before.len() - word.len()) as u32)
    }
}

/// The next `}`, behind blanks and comments.
fn closing_brace(rest: &str) -> Option<usize> {
    let mut offset = 0;
    for line in rest.split_inclusive('\n') {
        let code = line.trim_start();
        if code.starts_with('}') {
            return Some(offset + line.len() - code.len());
        }
        if !code.is_empty() && !code.starts_with("//") {
            return None;
        }
        offset += line.len();
    }
    None
}

fn spans_of_settings(settings: &[Setting]) -> Inner {
    settings.iter().map(|setting| setting.span).collect()
}

fn spans_of_steps(steps: &[Step]) -> Inner {
    steps.iter().map(|step| step.span).collect()
}

fn item_parts(kind: &ItemKind) -> Inner {
    match kind {
        ItemKind::Type(ty) => ty.fields.iter().map(|field| field.span).collect(),
        ItemKind::Prompt(prompt) => {
            let examples = prompt.examples.iter().map(|example| example.span);
            spans_of_settings(&prompt.settings).into_iter().chain(examples).collect()
        }
        ItemKind::Connector(connector) => {
            let operations = connector.operations.iter().map(|operation| operation.span);
            let types = connector.types.iter().map(|item| item.span);
            spans_of_settings(&connector.settings).into_iter().chain(operations).chain(types).collect()
        }
        ItemKind::Budget(budget) => spans_of_settings(&budget.settings),
        ItemKind::Flow(flow) => spans_of_settings(&flow.settings).into_iter().chain(spans_of_steps(&flow.body.steps)).collect(),
        ItemKind::Test(test) => test.steps.iter().map(|step| step.span).collect(),
        _ => Vec::new(),
    }
}

fn step_parts(kind: &StepKind) -> Inner {
    match kind {
        StepKind::LetFor { body, .. } | StepKind::For(body) => spans_of_steps(&body.body.steps),
        StepKind::Repeat { body, .. } | StepKind::Parallel { body } => spans_of_steps(&body.steps),
        StepKind::Approve { otherwise: Some(block), .. } => spans_of_steps(&block.steps),
        StepKind::If { then, otherwise, .. } => {
            let mut parts = spans_of_steps(&then.steps);
            match otherwise {
                Some(Otherwise::Block(block)) => parts.extend(spans_of_steps(&block.steps)),
                Some(Otherwise::If(step)) => parts.extend(step_parts(&step.kind)),
                None => {}
            }
            parts
        }
        StepKind::Match { arms, otherwise, .. } => {
            let others = otherwise.iter().flat_map(|block| spans_of_steps(&block.steps));
            arms.iter().map(|arm| arm.span).chain(others).collect()
        }
        _ => Vec::new(),
    }
}
