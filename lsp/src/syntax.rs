//! What stands around a place, what a file declares, and what is in sight.

use crate::workspace::View;
use pmflow_compiler::syntax::ast::*;
use pmflow_compiler::syntax::walk::{self, Visitor};
use pmflow_compiler::{FileId, Span};

/// Every node that covers a place, outer before inner.
#[derive(Debug, Default)]
pub struct Around<'a> {
    pub item: Option<&'a Item>,
    pub operation: Option<&'a OperationItem>,
    pub exprs: Vec<&'a Expr>,
    pub types: Vec<&'a TypeExpr>,
    pub blocks: Vec<&'a Block>,
    pub steps: Vec<&'a Step>,
    pub settings: Vec<&'a Setting>,
    pub fields: Vec<&'a FieldDeclaration>,
    pub parameters: Vec<&'a Parameter>,
    pub modifiers: Vec<&'a Modifier>,
    pub test_steps: Vec<&'a TestStep>,
    pub pieces: Vec<&'a TemplatePiece>,
    from: u32,
    to: u32,
}

impl<'a> Around<'a> {
    pub fn place(file: &'a File, offset: u32) -> Around<'a> {
        Around::stretch(file, offset, offset)
    }

    /// The nodes that cover a whole stretch.
    pub fn stretch(file: &'a File, from: u32, to: u32) -> Around<'a> {
        let mut around = Around { from, to, ..Around::default() };
        for item in file.items().filter(|item| item.span.start <= from && to <= item.span.end) {
            around.item = Some(item);
            walk::item(&mut around, item);
        }
        around
    }

    fn covers(&self, span: Span) -> bool {
        span.start <= self.from && self.to <= span.end
    }

    /// The innermost call around the place, when the place is among its arguments.
    pub fn call(&self) -> Option<(&'a Expr, &'a Expr, &'a [Argument])> {
        self.exprs.iter().rev().find_map(|expr| match &expr.kind {
            ExprKind::Call { callee, arguments } if callee.span.end < self.from => Some((*expr, &**callee, arguments.as_slice())),
            _ => None,
        })
    }
}

pub fn piece_span(piece: &TemplatePiece) -> Span {
    match piece {
        TemplatePiece::Text { span, .. }
        | TemplatePiece::Hole { span, .. }
        | TemplatePiece::If { span, .. }
        | TemplatePiece::For { span, .. } => *span,
    }
}

impl<'a> Visitor<'a> for Around<'a> {
    fn expr(&mut self, expr: &'a Expr) {
        if self.covers(expr.span) {
            self.exprs.push(expr);
        }
    }

    fn type_expr(&mut self, ty: &'a TypeExpr) {
        if self.covers(ty.span) {
            self.types.push(ty);
        }
    }

    fn block(&mut self, block: &'a Block) {
        if self.covers(block.span) {
            self.blocks.push(block);
        }
    }

    fn step(&mut self, step: &'a Step) {
        if self.covers(step.span) {
            self.steps.push(step);
        }
    }

    fn setting(&mut self, setting: &'a Setting) {
        if self.covers(setting.span) {
            self.settings.push(setting);
        }
    }

    fn field(&mut self, field: &'a FieldDeclaration) {
        if self.covers(field.span) {
            self.fields.push(field);
        }
    }

    fn parameter(&mut self, parameter: &'a Parameter) {
        if self.covers(parameter.span) {
            self.parameters.push(parameter);
        }
    }

    fn operation(&mut self, operation: &'a OperationItem) {
        if self.covers(operation.span) {
            self.operation = Some(operation);
        }
    }

    fn modifier(&mut self, modifier: &'a Modifier) {
        if self.covers(modifier.span) {
            self.modifiers.push(modifier);
        }
    }

    fn test_step(&mut self, step: &'a TestStep) {
        if self.covers(step.span) {
            self.test_steps.push(step);
        }
    }

    fn piece(&mut self, piece: &'a TemplatePiece) {
        if self.covers(piece_span(piece)) {
            self.pieces.push(piece);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Type,
    Enum,
    EnumValue,
    Model,
    Prompt,
    Function,
    Connector,
    Operation,
    Budget,
    Flow,
    Module,
    Field,
    Parameter,
    Source,
    Variable,
}

/// A name where it is declared.
#[derive(Clone, Copy, Debug)]
pub struct Declaration<'a> {
    pub kind: Kind,
    pub name: &'a Name,
    pub doc: Option<&'a str>,
    /// The whole thing.
    pub span: Span,
    /// Where the name means something; none: wherever its file is seen.
    pub within: Option<Span>,
    /// What it is called with.
    pub parameters: &'a [Parameter],
    pub result: Option<&'a TypeExpr>,
}

/// All names that an item declares, its own first.
pub fn declarations(item: &Item) -> Vec<Declaration<'_>> {
    let mut found = Declarations { item, found: Vec::new(), blocks: Vec::new() };
    found.own();
    walk::item(&mut found, item);
    found.found
}

/// The name of an item, with its kind.
pub fn item_name(item: &Item) -> Option<(&Name, Kind)> {
    Some(match &item.kind {
        ItemKind::Type(declared) => (&declared.name, Kind::Type),
        ItemKind::Enum(declared) => (&declared.name, Kind::Enum),
        ItemKind::Model(declared) => (&declared.name, Kind::Model),
        ItemKind::Prompt(declared) => (&declared.name, Kind::Prompt),
        ItemKind::Function(declared) => (&declared.name, Kind::Function),
        ItemKind::Connector(declared) => (&declared.name, Kind::Connector),
        ItemKind::Budget(declared) => (&declared.name, Kind::Budget),
        ItemKind::Flow(declared) => (&declared.name, Kind::Flow),
        ItemKind::Import(_) | ItemKind::Test(_) | ItemKind::Broken => return None,
    })
}

/// The name by which an import is used.
pub fn module_name(import: &Import) -> Option<(&str, Span)> {
    match import {
        Import::Std { path } => path.names.last().map(|name| (name.text.as_str(), path.span)),
        Import::File { path, path_span } => {
            let file = path.rsplit('/').next().unwrap_or(path);
            Some((file.strip_suffix(".pmflow").unwrap_or(file), *path_span))
        }
    }
}

struct Declarations<'a> {
    item: &'a Item,
    found: Vec<Declaration<'a>>,
    blocks: Vec<Span>,
}

impl<'a> Declarations<'a> {
    fn push(&mut self, kind: Kind, name: &'a Name, span: Span, within: Option<Span>) {
        if !name.text.is_empty() {
            self.found.push(Declaration { kind, name, doc: None, span, within, parameters: &[], result: None });
        }
    }

    fn documented(&mut self, doc: &'a Option<ecow::EcoString>) {
        if let Some(last) = self.found.last_mut() {
            last.doc = doc.as_deref();
        }
    }

    fn called_with(&mut self, parameters: &'a [Parameter], result: Option<&'a TypeExpr>) {
        if let Some(last) = self.found.last_mut() {
            (last.parameters, last.result) = (parameters, result);
        }
    }

    fn own(&mut self) {
        let item = self.item;
        if let Some((name, kind)) = item_name(item) {
            self.push(kind, name, item.span, None);
            self.documented(&item.doc);
        }
        match &item.kind {
            ItemKind::Prompt(prompt) => self.called_with(&prompt.parameters, prompt.result.as_ref()),
            ItemKind::Function(function) => self.called_with(&function.parameters, function.result.as_ref()),
            ItemKind::Flow(flow) => self.called_with(&flow.parameters, None),
            ItemKind::Enum(declared) => {
                for value in &declared.values {
                    self.push(Kind::EnumValue, &value.name, value.name.span, None);
                    self.documented(&value.doc);
                }
            }
            ItemKind::Connector(connector) => {
                for inner in &connector.types {
                    if let Some((name, kind)) = item_name(inner) {
                        self.push(kind, name, inner.span, None);
                        self.documented(&inner.doc);
                    }
                    if let ItemKind::Enum(declared) = &inner.kind {
                        for value in &declared.values {
                            self.push(Kind::EnumValue, &value.name, value.name.span, None);
                            self.documented(&value.doc);
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn block_around(&self, at: u32) -> Span {
        let around = self.blocks.iter().rev().find(|block| block.start <= at && at <= block.end);
        around.copied().unwrap_or(self.item.span)
    }
}

impl<'a> Visitor<'a> for Declarations<'a> {
    fn operation(&mut self, operation: &'a OperationItem) {
        self.push(Kind::Operation, &operation.name, operation.span, None);
        self.documented(&operation.doc);
        self.called_with(&operation.parameters, operation.result.as_ref());
    }

    fn parameter(&mut self, parameter: &'a Parameter) {
        let operation = match &self.item.kind {
            ItemKind::Connector(connector) => connector
                .operations
                .iter()
                .find(|operation| operation.span.start <= parameter.span.start && parameter.span.end <= operation.span.end),
            _ => None,
        };
        let within = operation.map_or(self.item.span, |operation| operation.span);
        self.push(Kind::Parameter, &parameter.name, parameter.span, Some(within));
    }

    fn field(&mut self, field: &'a FieldDeclaration) {
        self.push(Kind::Field, &field.name, field.span, None);
        self.documented(&field.doc);
    }

    fn block(&mut self, block: &'a Block) {
        self.blocks.push(block.span);
    }

    fn step(&mut self, step: &'a Step) {
        let rest = |around: Span| Span { start: step.span.end, ..around };
        let around = self.block_around(step.span.start);
        match &step.kind {
            StepKind::Source { name, .. } => self.push(Kind::Source, name, step.span, Some(rest(around))),
            StepKind::Let { name, .. } => self.push(Kind::Variable, name, step.span, Some(rest(around))),
            StepKind::LetFor { name, body, .. } => {
                self.push(Kind::Variable, name, step.span, Some(rest(around)));
                self.push(Kind::Variable, &body.variable, body.variable.span, Some(loop_span(body)));
            }
            StepKind::For(body) => self.push(Kind::Variable, &body.variable, body.variable.span, Some(loop_span(body))),
            _ => {}
        }
    }

    fn expr(&mut self, expr: &'a Expr) {
        if let ExprKind::Lambda { parameters, body } = &expr.kind {
            parameters.iter().for_each(|name| self.push(Kind::Variable, name, name.span, Some(body.span)));
        }
    }

    fn piece(&mut self, piece: &'a TemplatePiece) {
        if let TemplatePiece::For { variable, span, .. } = piece {
            self.push(Kind::Variable, variable, variable.span, Some(Span { start: variable.span.end, ..*span }));
        }
    }
}

/// The key and the body of a loop: where its variable is seen.
fn loop_span(body: &ForStep) -> Span {
    body.key.as_ref().map_or(body.body.span, |key| key.span.to(body.body.span))
}

/// The variables and parameters that an expression at the place may name; the nearest last.
pub fn in_sight(file: &File, offset: u32) -> Vec<Declaration<'_>> {
    let covers = |item: &&Item| item.span.start <= offset && offset <= item.span.end;
    let declared = file.items().filter(covers).flat_map(declarations);
    let local = |declaration: &Declaration<'_>| matches!(declaration.kind, Kind::Parameter | Kind::Source | Kind::Variable);
    let seen = |within: Option<Span>| within.is_some_and(|within| within.start <= offset && offset <= within.end);
    declared.filter(|declaration| local(declaration) && seen(declaration.within)).collect()
}

/// The declaration whose name stands at exactly this stretch.
pub fn declared(view: &View, definition: Span) -> Option<Declaration<'_>> {
    let tree = view.tree(definition.file)?;
    let item = tree.items().find(|item| item.span.start <= definition.start && definition.end <= item.span.end)?;
    declarations(item).into_iter().find(|declaration| declaration.name.span == definition)
}

/// The item around a definition.
pub fn item_around(view: &View, definition: Span) -> Option<&Item> {
    let tree = view.tree(definition.file)?;
    tree.items().find(|item| item.span.start <= definition.start && definition.end <= item.span.end)
}

/// What the name at a place stands for: where it is declared, and the stretch of the name itself.
pub fn meaning(view: &View, file: FileId, offset: u32) -> Option<(Span, Span)> {
    if let Some(reference) = view.reference_at(file, offset) {
        return Some((reference.definition, reference.span));
    }
    let tree = view.tree(file)?;
    let items = tree.items().filter(|item| item.span.start <= offset && offset <= item.span.end);
    let named = items.flat_map(declarations).find(|found| found.name.span.start <= offset && offset <= found.name.span.end);
    named.map(|found| (found.name.span, found.name.span))
}

/// The declaration's first line as an author would write it: `prompt judge(text: text) -> Verdict`.
pub fn headline(view: &View, declared: &Declaration<'_>) -> String {
    let name = &declared.name.text;
    let parameters: Vec<&str> = declared.parameters.iter().map(|parameter| view.text(parameter.span)).collect();
    let result = declared.result.map(|result| format!(" -> {}", view.text(result.span))).unwrap_or_default();
    let called = |keyword: &str| format!("{keyword} {name}({}){result}", parameters.join(", "));
    let typed = |keyword: &str| match view.type_of(declared.name.span) {
        Some(ty) => format!("{keyword}{name}: {ty}"),
        None => view.text(declared.span).lines().next().unwrap_or_default().to_owned(),
    };
    match declared.kind {
        Kind::Prompt => called("prompt"),
        Kind::Function => called("fn"),
        Kind::Flow => called("flow"),
        Kind::Operation => called(if view.text(declared.span).starts_with("source") { "source" } else { "action" }),
        Kind::Source => typed("source "),
        Kind::Variable | Kind::Parameter => typed(""),
        Kind::Connector => format!("connector {name}"),
        Kind::EnumValue => format!(".{name}"),
        Kind::Field => view.text(declared.span).split_whitespace().collect::<Vec<_>>().join(" "),
        _ => whole(view, declared.span),
    }
}

const LINES_SHOWN_MAX: usize = 24;

/// The text of an item, as if it stood at the margin.
fn whole(view: &View, span: Span) -> String {
    let file = Span { start: 0, ..span };
    let before = view.text(file).len() - view.text(span).len();
    let line = view.text(file).get(..before).unwrap_or_default().rsplit('\n').next().unwrap_or_default();
    let margin = line.len() - line.trim_start().len();
    let lines = view.text(span).lines().map(|line| match line.get(..margin) {
        Some(blank) if blank.trim().is_empty() => line.get(margin..).unwrap_or_default(),
        _ => line,
    });
    let lines: Vec<&str> = lines.collect();
    match lines.get(..LINES_SHOWN_MAX) {
        Some(shown) if lines.len() > LINES_SHOWN_MAX => format!("{}\n  …", shown.join("\n")),
        _ => lines.join("\n"),
    }
}
