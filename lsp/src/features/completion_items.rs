//! The things that completion offers, each with its documentation.

use super::hover::{card, price_line};
use crate::syntax::{Around, Declaration, Kind, declarations, declared, headline, in_sight, item_name, module_name};
use crate::words::{self, Word};
use crate::workspace::{Place, View, Workspace};
use pmflow_compiler::syntax::ast::*;
use pmflow_compiler::types::{Ty, prelude};
use pmflow_compiler::{FileId, Span, stdlib};
use std::collections::BTreeSet;
use std::path::Path as FilePath;
use std::rc::Rc;
use tower_lsp_server::ls_types::*;

pub struct Offers<'a> {
    workspace: &'a mut Workspace,
    view: Rc<View>,
    place: &'a Place,
    items: Vec<CompletionItem>,
}

/// One thing to write.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    pub label: String,
    pub detail: String,
    pub doc: Option<String>,
    pub kind: Option<CompletionItemKind>,
    /// What is written; none: the label.
    pub snippet: Option<String>,
    /// The lower, the earlier.
    pub rank: u8,
}

const FILES_OFFERED_MAX: usize = 200;

impl<'a> Offers<'a> {
    pub fn new(workspace: &'a mut Workspace, place: &'a Place) -> Offers<'a> {
        Offers { workspace, view: place.view.clone(), place, items: Vec::new() }
    }

    pub fn finish(mut self) -> Vec<CompletionItem> {
        let mut seen = BTreeSet::new();
        self.items.retain(|item| seen.insert(item.label.clone()));
        self.items
    }

    fn tree(&self) -> Option<&File> {
        self.view.tree(self.place.file)
    }

    fn push(&mut self, offer: Offer) {
        let snippets = self.workspace.client.snippets;
        let insert = offer.snippet.as_deref().map(|snippet| if snippets { snippet.to_owned() } else { words::plain(snippet) });
        let format = offer.snippet.as_ref().filter(|_| snippets).map(|_| InsertTextFormat::SNIPPET);
        let value = |value: String| Documentation::MarkupContent(MarkupContent { kind: MarkupKind::Markdown, value });
        self.items.push(CompletionItem {
            sort_text: Some(format!("{}{}", offer.rank, offer.label)),
            label: offer.label,
            detail: Some(offer.detail).filter(|detail| !detail.is_empty()),
            documentation: offer.doc.map(value),
            kind: offer.kind,
            insert_text: insert,
            insert_text_format: format,
            ..CompletionItem::default()
        });
    }

    pub fn words(&mut self, words: &[Word], kind: CompletionItemKind) {
        for word in words {
            let detail = words::plain(word.snippet).lines().next().unwrap_or_default().to_owned();
            self.push(Offer {
                label: word.word.to_owned(),
                detail,
                doc: Some(word.doc.to_owned()),
                kind: Some(kind),
                snippet: Some(word.snippet.to_owned()),
                rank: 5,
            });
        }
    }

    /// Flow files or data files below the folder that is written so far.
    pub fn files(&mut self, written: &str, endings: &[&str]) {
        let Some(own) = self.workspace.files.path(self.place.file).filter(|path| path.is_absolute()) else { return };
        let folder = own.parent().unwrap_or(FilePath::new("/"));
        let (prefix, _) = written.rsplit_once('/').map_or(("", written), |(folder, name)| (folder, name));
        let target = crate::workspace::files::tidy(&folder.join(prefix));
        if self.workspace.files.root_of(&target).is_none() && target != folder {
            return;
        }
        let Ok(entries) = std::fs::read_dir(&target) else { return };
        let mut names: Vec<(String, bool)> = entries
            .flatten()
            .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.file_type().ok()?)))
            .filter(|(name, kind)| !name.starts_with('.') && (kind.is_dir() || kind.is_file()))
            .map(|(name, kind)| (name, kind.is_dir()))
            .collect();
        names.sort();
        let fits =
            |name: &str, folder: bool| folder || name.rsplit_once('.').is_some_and(|(_, ending)| endings.contains(&ending));
        let own_name = own.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let import = endings.contains(&"pmflow");
        for (name, is_folder) in names.into_iter().filter(|(name, folder)| fits(name, *folder)).take(FILES_OFFERED_MAX) {
            if target == folder && name == own_name {
                continue;
            }
            let start = if import && written.is_empty() { "./" } else { "" };
            let kind = if is_folder { CompletionItemKind::FOLDER } else { CompletionItemKind::FILE };
            let label = if is_folder { format!("{start}{name}/") } else { format!("{start}{name}") };
            self.push(Offer { label, kind: Some(kind), rank: u8::from(is_folder), ..Offer::default() });
        }
    }

    pub fn modules(&mut self) {
        for name in stdlib::connectors() {
            let doc = standard_doc(name);
            self.push(Offer { label: format!("std.{name}"), doc, kind: Some(CompletionItemKind::MODULE), ..Offer::default() });
        }
    }

    /// Every model of the catalog with its price.
    pub fn model_ids(&mut self, written: &str) {
        let view = self.view.clone();
        let catalog = view.catalog();
        let today = self.view.today;
        let ended = |entry: &pmflow_compiler::cost::catalog::Entry| entry.shutdown.is_some_and(|day| day.0 <= today);
        let entries = catalog.entries().filter(|(_, entry)| !ended(entry));
        let ids: Vec<String> = entries.map(|(facts, entry)| format!("{}/{}", facts.provider, entry.id)).collect();
        let range = self.text_range(written);
        for id in ids {
            let Ok(model) = catalog.resolve(&id) else { continue };
            let doc = format!("Context {} tokens, output {} at most.", model.context_tokens_max, model.output_tokens_max);
            let detail = price_line(&model);
            self.push(Offer {
                label: id.clone(),
                detail,
                doc: Some(doc),
                kind: Some(CompletionItemKind::VALUE),
                ..Offer::default()
            });
            if let (Some(last), Some(range)) = (self.items.last_mut(), range) {
                last.text_edit = Some(CompletionTextEdit::Edit(TextEdit { range, new_text: id }));
            }
        }
    }

    /// What is written of a text up to the place, as a range: editors take `/` for the end of a word.
    fn text_range(&self, written: &str) -> Option<Range> {
        let end = self.place.offset as usize;
        Some(self.place.lines.range(end.checked_sub(written.len())?..end))
    }

    /// Fields and functions of the value that ends at the place, or what a module, a connector or an enum holds.
    pub fn members(&mut self, receiver_end: u32) {
        let view = self.view.clone();
        let Some(tree) = view.tree(self.place.file) else { return };
        let around = Around::place(tree, receiver_end);
        let receiver =
            around.exprs.iter().filter(|expr| expr.span.end == receiver_end).max_by_key(|expr| expr.span.end - expr.span.start);
        let ty = receiver.and_then(|receiver| view.type_of(receiver.span));
        if let Some(ty) = ty {
            return self.members_of(&view, ty);
        }
        let reference = view.reference_at(self.place.file, receiver_end);
        match reference.and_then(|reference| declared(&view, reference.definition)) {
            Some(found) if found.kind == Kind::Enum => self.values_of(&view, &found),
            Some(found) if found.kind == Kind::Connector => self.operations(&view, found.span),
            Some(found) => {
                if let Some(ty) = view.type_of(found.name.span) {
                    self.members_of(&view, ty);
                }
            }
            None => self.module_members(&view, receiver_end),
        }
    }

    fn members_of(&mut self, view: &View, ty: &Ty) {
        let present = ty.present();
        if let Ty::Record(record) = &present {
            for field in &record.fields {
                let doc = field.doc.as_ref().map(ToString::to_string);
                let kind = Some(CompletionItemKind::FIELD);
                self.push(Offer { label: field.name.to_string(), detail: field.ty.to_string(), doc, kind, ..Offer::default() });
            }
        }
        for item in &prelude().items {
            let ItemKind::Function(function) = &item.kind else { continue };
            let receiver = function.parameters.first().filter(|parameter| parameter.name.text == "self");
            let Some(pattern) = receiver.and_then(|receiver| receiver.ty.as_ref()) else { continue };
            if receives(pattern, &present, &function.generics) {
                self.method(view, item, function);
            }
        }
    }

    fn method(&mut self, view: &View, item: &Item, function: &FunctionItem) {
        let own: Vec<&Parameter> = function.parameters.iter().filter(|parameter| parameter.name.text != "self").collect();
        let shown: Vec<&str> = own.iter().map(|parameter| view.text(parameter.span)).collect();
        let result = function.result.as_ref().map_or("", |result| view.text(result.span));
        let name = &function.name.text;
        let lambda =
            own.first().and_then(|first| first.ty.as_ref()).is_some_and(|ty| matches!(ty.kind, TypeExprKind::Function { .. }));
        let snippet = match (own.len(), lambda) {
            (0, _) => format!("{name}()"),
            (_, true) => format!("{name}(${{1:x}} => $2)"),
            _ => format!("{name}($1)"),
        };
        self.push(Offer {
            label: name.to_string(),
            detail: format!("({}) -> {result}", shown.join(", ")),
            doc: item.doc.as_ref().map(ToString::to_string),
            kind: Some(CompletionItemKind::METHOD),
            snippet: Some(snippet),
            rank: 1,
        });
    }

    fn values_of(&mut self, view: &View, of: &Declaration<'_>) {
        let Some(item) = crate::syntax::item_around(view, of.name.span) else { return };
        let inside = |found: &Declaration<'_>| {
            found.kind == Kind::EnumValue && of.span.start <= found.name.span.start && found.name.span.end <= of.span.end
        };
        for value in declarations(item).into_iter().filter(inside) {
            self.push(Offer {
                label: value.name.text.to_string(),
                detail: of.name.text.to_string(),
                doc: value.doc.map(str::to_owned),
                kind: Some(CompletionItemKind::ENUM_MEMBER),
                ..Offer::default()
            });
        }
    }

    fn operations(&mut self, view: &View, connector: Span) {
        let Some(item) = crate::syntax::item_around(view, connector) else { return };
        let inside = |found: &Declaration<'_>| matches!(found.kind, Kind::Operation | Kind::Type | Kind::Enum);
        for found in declarations(item).into_iter().filter(inside) {
            self.declaration(view, &found, 0);
        }
    }

    /// What a module's file declares; of a connector's file, its operations.
    fn module_members(&mut self, view: &View, receiver_end: u32) {
        let Some(text) = self.place.lines.text().get(..receiver_end as usize).map(str::to_owned) else { return };
        let name = text.rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
        let Some(tree) = view.tree(self.place.file) else { return };
        let import = tree.items().find_map(|item| match &item.kind {
            ItemKind::Import(import) => module_name(import).filter(|(module, _)| *module == name).map(|_| import),
            _ => None,
        });
        let Some(import) = import else { return };
        let Some(file) = self.imported_file(import) else { return };
        let Some(target) = view.tree(file) else { return };
        for item in &target.items {
            match (&item.kind, item_name(item)) {
                (ItemKind::Connector(connector), Some((own, _))) if own.text == name => {
                    self.operations(view, connector.name.span);
                }
                (_, Some((own, _))) => {
                    if let Some(found) = declared(view, own.span) {
                        self.declaration(view, &found, 0);
                    }
                }
                _ => {}
            }
        }
    }

    fn imported_file(&self, import: &Import) -> Option<FileId> {
        match import {
            Import::Std { path } => {
                let name = &path.names.last()?.text;
                stdlib::connectors().iter().position(|known| *known == name.as_str()).map(FileId::standard)
            }
            Import::File { path, .. } => {
                let own = self.workspace.files.path(self.place.file)?;
                Some(self.workspace.files.id(&crate::workspace::files::tidy(&own.parent()?.join(path.as_str()))))
            }
        }
    }

    fn declaration(&mut self, view: &View, found: &Declaration<'_>, rank: u8) {
        let called = matches!(found.kind, Kind::Prompt | Kind::Function | Kind::Flow | Kind::Operation);
        let kind = match found.kind {
            Kind::Type => CompletionItemKind::STRUCT,
            Kind::Enum => CompletionItemKind::ENUM,
            Kind::Model | Kind::Budget => CompletionItemKind::CONSTANT,
            Kind::Prompt | Kind::Function | Kind::Flow => CompletionItemKind::FUNCTION,
            Kind::Operation => CompletionItemKind::METHOD,
            Kind::Connector | Kind::Module => CompletionItemKind::MODULE,
            _ => CompletionItemKind::VARIABLE,
        };
        let first = headline(view, found);
        let name = &found.name.text;
        let snippet = called.then(|| if found.parameters.is_empty() { format!("{name}()") } else { format!("{name}($1)") });
        self.push(Offer {
            label: name.to_string(),
            detail: first.lines().next().unwrap_or_default().to_owned(),
            doc: Some(card(view, found)),
            kind: Some(kind),
            snippet,
            rank,
        });
    }

    /// `.value` where the enum is known from what stands around; of every enum in sight where it is not.
    pub fn enum_values(&mut self, compared: Option<u32>) {
        let view = self.view.clone();
        let wanted = compared.and_then(|end| self.enum_of_value(&view, end)).or_else(|| self.wanted_enum(&view));
        let trees = view.checked.files.iter().filter(|file| !file.id.is_standard() || wanted.is_some());
        for tree in trees.map(|file| &file.ast) {
            let enums = tree.items().flat_map(declarations).filter(|found| found.kind == Kind::Enum);
            for found in enums.filter(|found| wanted.as_ref().is_none_or(|wanted| wanted == &found.name.text)) {
                self.values_of(&view, &found);
            }
        }
    }

    fn enum_of_value(&self, view: &View, end: u32) -> Option<ecow::EcoString> {
        let around = Around::place(view.tree(self.place.file)?, end);
        let value = around.exprs.iter().rev().find(|expr| expr.span.end == end)?;
        enum_name(view.type_of(value.span)?)
    }

    /// What may follow a complete value, by the step that it stands in.
    pub fn modifiers(&mut self) {
        let view = self.view.clone();
        let Some(tree) = view.tree(self.place.file) else { return };
        let before = self.place.lines.text().get(..self.place.offset as usize).map_or(0, |before| before.trim_end().len());
        let around = Around::place(tree, u32::try_from(before).unwrap_or(0));
        let known: &[&str] = match around.steps.last().map(|step| &step.kind) {
            Some(StepKind::Source { .. }) => &["limit", "expect", "retry", "timeout", "else", "was"],
            Some(StepKind::Let { .. }) => &["retry", "timeout", "else", "cache", "key", "was"],
            Some(StepKind::Do { .. }) => &["retry", "timeout", "else", "key"],
            Some(StepKind::Output { .. }) => &["tagged"],
            _ => &["retry", "timeout", "else", "cache", "key", "was", "limit", "expect", "likely", "tagged"],
        };
        let after_retry = around.modifiers.iter().any(|modifier| matches!(modifier.kind, ModifierKind::Retry { .. }));
        let fits = |word: &&Word| known.contains(&word.word) || (after_retry && word.word == "backoff");
        let words: Vec<Word> = words::MODIFIERS.iter().filter(fits).copied().collect();
        self.words(&words, CompletionItemKind::KEYWORD);
    }

    /// The enum that a value at the place must be of: the other side of `==`, the value of a `match`, a parameter, a field.
    fn wanted_enum(&self, view: &View) -> Option<ecow::EcoString> {
        let tree = view.tree(self.place.file)?;
        let around = Around::place(tree, self.place.offset);
        let enum_of = enum_name;
        for expr in around.exprs.iter().rev() {
            match &expr.kind {
                ExprKind::Binary { left, right, .. } => {
                    let sides = [left, right].into_iter().filter_map(|side| view.type_of(side.span));
                    if let Some(found) = sides.filter_map(enum_of).next() {
                        return Some(found);
                    }
                }
                ExprKind::EnumValue(_) | ExprKind::Missing => {}
                _ => break,
            }
        }
        around.steps.iter().rev().find_map(|step| match &step.kind {
            StepKind::Match { value, .. } => view.type_of(value.span).and_then(enum_of),
            _ => None,
        })
    }

    pub fn types(&mut self) {
        self.words(words::TYPES, CompletionItemKind::STRUCT);
        self.items_of_kind(&[Kind::Type, Kind::Enum]);
        self.module_names();
    }

    fn items_of_kind(&mut self, kinds: &[Kind]) {
        let view = self.view.clone();
        let Some(tree) = view.tree(self.place.file) else { return };
        let names: Vec<Span> =
            tree.items().filter_map(item_name).filter(|(_, kind)| kinds.contains(kind)).map(|(name, _)| name.span).collect();
        for found in names.into_iter().filter_map(|name| declared(&view, name)) {
            self.declaration(&view, &found, 1);
        }
    }

    fn module_names(&mut self) {
        let imports: Vec<String> = self
            .tree()
            .into_iter()
            .flat_map(|tree| tree.items())
            .filter_map(|item| match &item.kind {
                ItemKind::Import(import) => module_name(import).map(|(name, _)| name.to_owned()),
                _ => None,
            })
            .collect();
        for name in imports {
            self.push(Offer { label: name, kind: Some(CompletionItemKind::MODULE), rank: 2, ..Offer::default() });
        }
    }

    /// The settings that are not written yet.
    pub fn settings(&mut self) {
        let view = self.view.clone();
        let Some(tree) = view.tree(self.place.file) else { return };
        let around = Around::place(tree, self.place.offset);
        let (words, written): (&[Word], Vec<&Setting>) = match around.item.map(|item| &item.kind) {
            Some(ItemKind::Prompt(prompt)) => (words::PROMPT_SETTINGS, prompt.settings.iter().collect()),
            Some(ItemKind::Budget(budget)) => (words::BUDGET_SETTINGS, budget.settings.iter().collect()),
            Some(ItemKind::Connector(connector)) if around.operation.is_none() => {
                (words::CONNECTOR_SETTINGS, connector.settings.iter().collect())
            }
            _ => return,
        };
        let free: Vec<Word> =
            words.iter().filter(|word| written.iter().all(|known| known.name.text != word.word)).copied().collect();
        self.words(&free, CompletionItemKind::PROPERTY);
    }

    pub fn flow_settings(&mut self) {
        let view = self.view.clone();
        let Some(tree) = view.tree(self.place.file) else { return };
        let Some(ItemKind::Flow(flow)) = Around::place(tree, self.place.offset).item.map(|item| &item.kind) else { return };
        // Settings come before steps.
        if flow.body.steps.iter().any(|step| step.span.end < self.place.offset && !matches!(step.kind, StepKind::Broken)) {
            return;
        }
        let written = |word: &Word| flow.settings.iter().any(|known| known.name.text == word.word);
        let free: Vec<Word> = words::FLOW_SETTINGS.iter().filter(|word| !written(word)).copied().collect();
        self.words(&free, CompletionItemKind::PROPERTY);
    }

    pub fn setting_values(&mut self, setting: &str) {
        for value in words::setting_values(setting) {
            self.push(Offer { label: (*value).to_owned(), kind: Some(CompletionItemKind::ENUM_MEMBER), ..Offer::default() });
        }
        match setting {
            "model" => {
                self.items_of_kind(&[Kind::Model]);
                self.module_names();
            }
            "budget" => self.items_of_kind(&[Kind::Budget]),
            "on_overflow" => self.parameters(),
            _ => {}
        }
    }

    fn parameters(&mut self) {
        let view = self.view.clone();
        let Some(tree) = view.tree(self.place.file) else { return };
        for found in in_sight(tree, self.place.offset).into_iter().filter(|found| found.kind == Kind::Parameter) {
            self.declaration(&view, &found, 0);
        }
    }

    /// What a test can stand in for.
    pub fn stand_ins(&mut self) {
        let view = self.view.clone();
        self.items_of_kind(&[Kind::Prompt, Kind::Flow]);
        self.module_names();
        let Some(tree) = view.tree(self.place.file) else { return };
        for found in tree.items().flat_map(declarations).filter(|found| found.kind == Kind::Source) {
            self.declaration(&view, &found, 0);
        }
        for word in ["approve", "now"] {
            self.push(Offer { label: word.to_owned(), kind: Some(CompletionItemKind::KEYWORD), rank: 3, ..Offer::default() });
        }
    }

    /// Variables, functions and constants; where a step may call them, prompts and flows as well.
    pub fn expressions(&mut self, call_effects: bool) {
        let view = self.view.clone();
        let Some(tree) = view.tree(self.place.file) else { return };
        for found in in_sight(tree, self.place.offset) {
            self.declaration(&view, &found, 1);
        }
        self.argument_names(&view);
        let in_test = matches!(Around::place(tree, self.place.offset).item.map(|item| &item.kind), Some(ItemKind::Test(_)));
        if in_test {
            for (name, detail) in [("outputs", "[…]"), ("cost", "money"), ("failed", "int"), ("calls", "int"), ("alerts", "[…]")]
            {
                let kind = Some(CompletionItemKind::VARIABLE);
                self.push(Offer { label: name.to_owned(), detail: detail.to_owned(), kind, rank: 1, ..Offer::default() });
            }
        }
        self.items_of_kind(&[Kind::Function, Kind::Enum]);
        if call_effects || in_test {
            self.items_of_kind(&[Kind::Prompt, Kind::Flow]);
            self.words(SOURCES, CompletionItemKind::FUNCTION);
        }
        self.module_names();
        for item in &prelude().items {
            if let ItemKind::Function(function) = &item.kind
                && function.parameters.first().is_none_or(|first| first.name.text != "self")
                && let Some(found) = declared(&view, function.name.span)
            {
                self.declaration(&view, &found, 3);
            }
        }
        self.words(words::VALUES, CompletionItemKind::KEYWORD);
        if call_effects {
            self.imports(&view);
        }
    }

    /// `name:` of the parameters that the call around has no argument for yet.
    fn argument_names(&mut self, view: &View) {
        let Some(tree) = view.tree(self.place.file) else { return };
        let around = Around::place(tree, self.place.offset);
        let Some((_, callee, arguments)) = around.call() else { return };
        let reference = view.reference_at(self.place.file, callee.span.end);
        let Some(found) = reference.and_then(|reference| declared(view, reference.definition)) else { return };
        if found.name.span.file == FileId::PRELUDE {
            return;
        }
        let given = |parameter: &&Parameter| {
            arguments.iter().any(|argument| argument.name.as_ref().is_some_and(|name| name.text == parameter.name.text))
        };
        for parameter in found.parameters.iter().filter(|parameter| !given(parameter)) {
            self.push(Offer {
                label: format!("{}:", parameter.name.text),
                detail: view.text(parameter.span).to_owned(),
                kind: Some(CompletionItemKind::PROPERTY),
                snippet: Some(format!("{}: $1", parameter.name.text)),
                ..Offer::default()
            });
        }
    }

    /// Connectors of the standard library and items of other files, which bring their `import` along.
    fn imports(&mut self, view: &View) {
        let known: BTreeSet<String> = self.items.iter().map(|item| item.label.clone()).collect();
        for name in stdlib::connectors().into_iter().filter(|name| !known.contains(*name)) {
            let edit = self.import_edit(view, &format!("import std.{name}\n"));
            self.push(Offer {
                label: name.to_owned(),
                detail: format!("import std.{name}"),
                doc: standard_doc(name),
                kind: Some(CompletionItemKind::MODULE),
                rank: 7,
                ..Offer::default()
            });
            self.with_edit(edit);
        }
        let Some(own) = self.workspace.files.path(self.place.file) else { return };
        for file in self.workspace.files.all().into_iter().filter(|file| *file != self.place.file) {
            self.items_of_file(view, &own, file, &known);
        }
    }

    fn items_of_file(&mut self, view: &View, own: &FilePath, file: FileId, known: &BTreeSet<String>) {
        let (Some(path), Ok(text)) = (self.workspace.files.path(file), self.workspace.files.text(file)) else { return };
        let Some(relative) = relative(own, &path) else { return };
        let module = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if known.contains(&module) || self.items.len() > ITEMS_MAX {
            return;
        }
        let parsed = self.workspace.files.parsed(file, &text);
        let edit = self.import_edit(view, &format!("import \"{relative}\"\n"));
        let callable = |kind: &Kind| matches!(kind, Kind::Prompt | Kind::Flow | Kind::Function);
        for (name, kind) in parsed.file.items().filter_map(item_name).filter(|(_, kind)| callable(kind)) {
            let kind = if kind == Kind::Function { "fn" } else { "call" };
            self.push(Offer {
                label: format!("{module}.{}", name.text),
                detail: format!("{kind}, import \"{relative}\""),
                kind: Some(CompletionItemKind::FUNCTION),
                snippet: Some(format!("{module}.{}($1)", name.text)),
                rank: 8,
                ..Offer::default()
            });
            self.with_edit(edit.clone());
        }
    }

    fn with_edit(&mut self, edit: TextEdit) {
        if let Some(last) = self.items.last_mut() {
            last.additional_text_edits = Some(vec![edit]);
        }
    }

    /// Behind the last import, else at the top.
    fn import_edit(&self, view: &View, import: &str) -> TextEdit {
        let imports = view.tree(self.place.file).map(|tree| tree.items.as_slice()).unwrap_or_default().iter();
        let last = imports.filter(|item| matches!(item.kind, ItemKind::Import(_))).map(|item| item.span.end as usize).max();
        let line = last.map_or(0, |end| self.place.lines.line_of(end) + 1);
        let at = self.place.lines.line_start(line);
        TextEdit { range: self.place.lines.range(at..at), new_text: import.to_owned() }
    }
}

fn enum_name(ty: &Ty) -> Option<ecow::EcoString> {
    match ty.present() {
        Ty::Enum(of) => of.name.shown.rsplit('.').next().map(ecow::EcoString::from),
        _ => None,
    }
}

const ITEMS_MAX: usize = 1000;

/// What reads a data file; a step alone can call it.
const SOURCES: &[Word] = &[
    Word {
        word: "csv",
        snippet: "csv(\"${1:data.csv}\") limit ${2:1000}",
        doc: "The rows of a CSV file; its columns are known.",
    },
    Word { word: "json", snippet: "json(\"${1:data.json}\") limit ${2:1000}", doc: "The elements of a JSON file." },
    Word { word: "jsonl", snippet: "jsonl(\"${1:data.jsonl}\") limit ${2:1000}", doc: "The lines of a JSON Lines file." },
];

/// `./folder/file.pmflow` as an import writes it; none across roots.
fn relative(from: &FilePath, to: &FilePath) -> Option<String> {
    let from = from.parent()?;
    let mut up = 0;
    let common = from.ancestors().find(|folder| {
        let found = to.starts_with(folder);
        up += usize::from(!found);
        found
    })?;
    let rest = to.strip_prefix(common).ok()?.to_string_lossy().replace('\\', "/");
    Some(if up == 0 { format!("./{rest}") } else { format!("{}{rest}", "../".repeat(up)) })
}

fn standard_doc(name: &str) -> Option<String> {
    let text = stdlib::connector(name)?;
    let lines = text.lines().take_while(|line| line.starts_with("///")).map(|line| line.trim_start_matches('/').trim());
    Some(lines.collect::<Vec<_>>().join(" "))
}

/// Whether a builtin's `self` takes the type.
fn receives(pattern: &TypeExpr, ty: &Ty, generics: &[Name]) -> bool {
    match (&pattern.kind, ty) {
        (TypeExprKind::List { of, .. }, Ty::List { of: element, .. }) => receives(of, element, generics),
        (TypeExprKind::List { .. }, Ty::Json) => true,
        (TypeExprKind::Map { .. }, Ty::Map(_)) => true,
        (TypeExprKind::Named { path, .. }, ty) => {
            let name = path.names.first().map_or("", |name| name.text.as_str());
            let generic = generics.iter().any(|generic| generic.text == name);
            generic
                || matches!(
                    (name, ty),
                    ("text", Ty::Text(_))
                        | ("int", Ty::Int { .. })
                        | ("float", Ty::Float)
                        | ("bool", Ty::Bool)
                        | ("money", Ty::Money)
                        | ("date", Ty::Date)
                        | ("datetime", Ty::Datetime)
                        | ("duration", Ty::Duration)
                        | ("json", Ty::Json)
                )
        }
        _ => false,
    }
}
