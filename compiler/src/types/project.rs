//! Which files there are, and which names they declare.

use super::circles;
use super::items::*;
use super::ty::{Ty, TypeName};
use super::{CheckedFile, Checker};
use crate::problems::nearest;
use crate::syntax::ast::{self, Import, ItemKind};
use crate::{FileId, Problem, Span, stdlib};
use ecow::{EcoString, eco_format};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Standard modules are numbered from here down to the roots' numbers, below [`FileId::PRELUDE`].
const STANDARD_FILES_FROM: u32 = u32::MAX - 100_000;

impl FileId {
    /// A file of the standard library; its text comes from [`stdlib`], not from the world.
    pub fn standard(position: usize) -> FileId {
        FileId(STANDARD_FILES_FROM + u32::try_from(position).unwrap_or(0))
    }

    pub fn is_standard(self) -> bool {
        self.0 >= STANDARD_FILES_FROM
    }
}

struct ImportEdge {
    from: usize,
    to: usize,
    span: Span,
}

impl Checker<'_> {
    pub(super) fn load(&mut self, roots: &[FileId]) {
        let mut edges = Vec::new();
        for root in roots {
            self.read_file(*root, true);
        }
        let mut next = 0;
        while let Some(file) = self.files.get(next) {
            let ast = file.ast.clone();
            let mut names = HashMap::new();
            for item in &ast.items {
                if let ItemKind::Import(import) = &item.kind {
                    self.import(next, import, &mut names, &mut edges);
                }
            }
            self.items.names.push(names);
            next += 1;
        }
        self.report_import_circles(&edges);
        self.name_modules();
    }

    fn read_file(&mut self, id: FileId, root: bool) -> usize {
        if let Some(&known) = self.file_index.get(&id) {
            return known;
        }
        let source = self.world.source(id);
        self.add_file(id, source.path, source.text, root)
    }

    fn add_file(&mut self, id: FileId, path: Arc<str>, text: Arc<str>, root: bool) -> usize {
        let parsed = self.world.parsed(id, &text);
        self.problems.all.extend_from_slice(&parsed.problems.all);
        self.work.stretches_read += parsed.stretches_read;
        let index = self.files.len();
        self.parsed.push(parsed.clone());
        self.file_index.insert(id, index);
        let module = module_name(&path);
        self.files.push(CheckedFile {
            id,
            path,
            text,
            ast: parsed.file.clone(),
            comments: parsed.comments.clone(),
            module,
            root,
            lines: Default::default(),
        });
        index
    }

    fn import(
        &mut self,
        from: usize,
        import: &Import,
        names: &mut HashMap<EcoString, (Item, Span)>,
        edges: &mut Vec<ImportEdge>,
    ) {
        self.work.imports_followed += 1;
        let (name, to, span) = match import {
            Import::Std { path } => match self.import_standard(path) {
                Some((name, to)) => (name, to, path.span),
                None => return,
            },
            Import::File { path, path_span } => {
                (EcoString::from(module_name(path)), self.import_file(from, path, *path_span), *path_span)
            }
        };
        if name.is_empty() {
            return;
        }
        if let Some((_, before)) = names.get(&name) {
            let problem =
                Problem::new("E0102", span, format!("`{name}` is imported twice")).related(*before, "first imported here");
            self.report(problem.help("delete one of the two imports"));
            return;
        }
        names.insert(name, (Item::Module(to), span));
        edges.extend(to.map(|to| ImportEdge { from, to, span }));
    }

    fn import_standard(&mut self, path: &ast::Path) -> Option<(EcoString, Option<usize>)> {
        let name = path.names.last()?;
        if path.names.len() != 2 || path.names.first().is_none_or(|first| first.text != "std") {
            let known: Vec<String> = stdlib::connectors().iter().map(|name| format!("`std.{name}`")).collect();
            let problem = Problem::new("E0103", path.span, "a module of the standard library is imported as `import std.NAME`");
            self.report(problem.help(format!("there are {}", known.join(", "))));
            return Some((name.text.clone(), None));
        }
        let known = stdlib::connectors();
        let Some(position) = known.iter().position(|known| *known == name.text) else {
            let mut problem = Problem::new("E0103", name.span, format!("the standard library has no module `{}`", name.text));
            match nearest(&name.text, known.iter().copied()) {
                Some(near) => {
                    problem = problem.help(format!("did you mean `std.{near}`?")).fix(format!("write `{near}`"), name.span, near)
                }
                None => problem = problem.help(format!("it has {}", listed(known.iter().copied()))),
            }
            self.report(problem);
            return Some((name.text.clone(), None));
        };
        let id = FileId::standard(position);
        let to = match self.file_index.get(&id) {
            Some(&index) => index,
            None => self.add_file(id, format!("std/{}.pmflow", name.text).into(), stdlib::connector(&name.text)?.into(), false),
        };
        Some((name.text.clone(), Some(to)))
    }

    fn import_file(&mut self, from: usize, path: &str, span: Span) -> Option<usize> {
        let from = self.files.get(from)?.id;
        match self.world.import(from, path) {
            Ok(id) => Some(self.read_file(id, false)),
            Err(reason) => {
                let problem = Problem::new("E0103", span, format!("`{path}` cannot be imported: {reason}"));
                self.report(problem.help("the path is relative to the file that imports it, as in `import \"./shared.pmflow\"`"));
                None
            }
        }
    }

    fn report_import_circles(&mut self, edges: &[ImportEdge]) {
        let mut needs = vec![Vec::new(); self.files.len()];
        let mut spans = HashMap::new();
        for edge in edges {
            if let Some(needs) = needs.get_mut(edge.from) {
                needs.push(edge.to);
            }
            spans.entry((edge.from, edge.to)).or_insert(edge.span);
        }
        for circle in circles::order(&needs).circles {
            let path = |index: &usize| self.files.get(*index).map_or_else(String::new, |file| format!("`{}`", file.path));
            let mut names: Vec<String> = circle.iter().map(path).collect();
            names.extend(names.first().cloned());
            let following = circle.iter().skip(1).chain(circle.first());
            let steps: Vec<Span> = circle.iter().zip(following).filter_map(|(a, b)| spans.get(&(*a, *b)).copied()).collect();
            let Some((first, others)) = steps.split_first() else { continue };
            let mut problem = Problem::new("E0104", *first, format!("these files import each other: {}", names.join(" → ")));
            for other in others {
                problem = problem.related(*other, "and goes on here");
            }
            self.report(problem.help("move what both need into a third file that imports neither"));
        }
    }

    /// Two files of one name in different folders get numbers.
    fn name_modules(&mut self) {
        let mut taken: HashMap<String, u32> = HashMap::new();
        for file in &mut self.files {
            let count = taken.entry(file.module.clone()).or_insert(0);
            *count += 1;
            if *count > 1 {
                file.module = format!("{}~{count}", file.module);
            }
        }
    }

    /// Names first, so that the order in which things are declared does not matter.
    pub(super) fn declare_items(&mut self) {
        for file in 0..self.files.len() {
            let Some(ast) = self.files.get(file).map(|file| file.ast.clone()) else { continue };
            for (position, item) in ast.items.iter().enumerate() {
                self.declare(At { file, item: position }, &item.kind);
            }
        }
        self.report_duplicate_tests();
    }

    fn declare(&mut self, at: At, kind: &ItemKind) {
        let Some((name, item)) = self.item_of(at, kind) else { return };
        let names = self.items.names.get_mut(at.file);
        let Some(names) = names else { return };
        if name.text.is_empty() {
            return;
        }
        match names.get(&name.text) {
            Some((_, before)) => {
                let before = *before;
                self.report_duplicate(name, before);
            }
            None => {
                let item = if self.damage.covers(name.span) { Item::Module(None) } else { item };
                names.insert(name.text.clone(), (item, name.span));
            }
        }
    }

    pub(super) fn report_duplicate(&mut self, name: &ast::Name, before: Span) {
        self.report(
            Problem::new("E0102", name.span, format!("`{}` is declared twice", name.text))
                .label("declared again here")
                .related(before, "first declared here")
                .help("give one of the two another name"),
        );
    }

    /// The declaration joins its list; its signature is read when all names are known.
    fn item_of<'a>(&mut self, at: At, kind: &'a ItemKind) -> Option<(&'a ast::Name, Item)> {
        let signature = Signature { parameters: Vec::new(), result: Ty::Error };
        Some(match kind {
            ItemKind::Type(ast::TypeItem { name, .. }) | ItemKind::Enum(ast::EnumItem { name, .. }) => {
                (name, Item::Type(self.declare_type(at, None, None, name)))
            }
            ItemKind::Model(model) => {
                self.items.models.push(ModelDeclaration { at, span: model.name.span, state: ModelState::Unread });
                (&model.name, Item::Model(self.items.models.len() - 1))
            }
            ItemKind::Prompt(prompt) => {
                let (name, full) = (prompt.name.text.clone(), self.full_name(at.file, &prompt.name.text));
                self.items.prompts.push(PromptDeclaration { at, name, full, signature });
                (&prompt.name, Item::Prompt(self.items.prompts.len() - 1))
            }
            ItemKind::Function(function) => {
                let (name, full) = (function.name.text.clone(), self.full_name(at.file, &function.name.text));
                self.items.functions.push(FunctionDeclaration {
                    at,
                    name,
                    full,
                    signature,
                    defaults: Vec::new(),
                    calls: Vec::new(),
                });
                (&function.name, Item::Function(self.items.functions.len() - 1))
            }
            ItemKind::Connector(connector) => (&connector.name, Item::Connector(self.declare_connector(at, connector))),
            ItemKind::Budget(budget) => {
                self.items.budgets.push(BudgetDeclaration { at, budget: None });
                (&budget.name, Item::Budget(self.items.budgets.len() - 1))
            }
            ItemKind::Flow(flow) => {
                let (name, full) = (flow.name.text.clone(), self.full_name(at.file, &flow.name.text));
                self.items.flows.push(FlowDeclaration {
                    at,
                    name,
                    full,
                    signature,
                    state: FlowState::Unchecked,
                    writes: false,
                    outputs_max: Some(0),
                    flows_below: 0,
                    checked: None,
                });
                (&flow.name, Item::Flow(self.items.flows.len() - 1))
            }
            ItemKind::Import(_) | ItemKind::Test(_) | ItemKind::Broken => return None,
        })
    }

    pub(super) fn full_name(&self, file: usize, name: &str) -> EcoString {
        let module = self.files.get(file).map_or("", |file| file.module.as_str());
        eco_format!("{module}/{name}")
    }

    pub(super) fn declare_type(&mut self, at: At, connector: Option<usize>, inner: Option<usize>, name: &ast::Name) -> usize {
        let shown = match connector.and_then(|connector| self.items.connectors.get(connector)) {
            Some(connector) => {
                let own = connector.full.rsplit('/').next().unwrap_or_default();
                eco_format!("{own}.{}", name.text)
            }
            None => name.text.clone(),
        };
        let full = self.full_name(at.file, &shown);
        let name = (TypeName { shown, full }, name.span);
        self.items.types.push(TypeDeclaration { at, inner, connector, name: name.0, span: name.1, ty: None });
        self.items.types.len() - 1
    }

    fn declare_connector(&mut self, at: At, item: &ast::ConnectorItem) -> usize {
        let full = self.full_name(at.file, &item.name.text);
        let index = self.items.connectors.len();
        self.items.connectors.push(ConnectorDeclaration { at, full, types: HashMap::new(), operations: HashMap::new() });
        let mut seen: HashMap<EcoString, Span> = HashMap::new();
        for (inner, declared) in item.types.iter().enumerate() {
            let (ItemKind::Type(ast::TypeItem { name, .. }) | ItemKind::Enum(ast::EnumItem { name, .. })) = &declared.kind else {
                continue;
            };
            if let Some(before) = seen.insert(name.text.clone(), name.span) {
                self.report_duplicate(name, before);
                continue;
            }
            let declaration = self.declare_type(at, Some(index), Some(inner), name);
            if let Some(connector) = self.items.connectors.get_mut(index) {
                connector.types.insert(name.text.clone(), declaration);
            }
        }
        for (inner, operation) in item.operations.iter().enumerate() {
            if let Some(before) = seen.insert(operation.name.text.clone(), operation.name.span) {
                self.report_duplicate(&operation.name, before);
                continue;
            }
            self.declare_operation(index, inner, item, operation);
        }
        index
    }

    fn declare_operation(&mut self, connector: usize, inner: usize, item: &ast::ConnectorItem, operation: &ast::OperationItem) {
        let index = self.items.operations.len();
        let Some(declared) = self.items.connectors.get_mut(connector) else { return };
        declared.operations.insert(operation.name.text.clone(), index);
        let full = eco_format!("{}.{}", declared.full, operation.name.text);
        self.items.operations.push(OperationDeclaration {
            connector,
            inner,
            name: eco_format!("{}.{}", item.name.text, operation.name.text),
            full,
            span: operation.name.span,
            generics: operation.generics.iter().map(|generic| generic.text.clone()).collect(),
            signature: Signature { parameters: Vec::new(), result: Ty::Error },
            kind: pmflow_plan::OperationKind::Action,
            repeatable: false,
        });
    }

    fn report_duplicate_tests(&mut self) {
        for file in 0..self.files.len() {
            let Some(ast) = self.files.get(file).map(|file| file.ast.clone()) else { continue };
            let mut titles: HashSet<&EcoString> = HashSet::new();
            for item in &ast.items {
                let ItemKind::Test(test) = &item.kind else { continue };
                if !test.title.is_empty() && !titles.insert(&test.title) {
                    let problem = Problem::new("E0102", test.title_span, format!("two tests are called \"{}\"", test.title));
                    self.report(problem.help("a test is chosen by its title: give one of them another"));
                }
            }
        }
    }

    /// Signatures before bodies, prompts before flows: what a caller must know of a thing is known when it is called.
    pub(super) fn check_items(&mut self) {
        self.load_builtins();
        self.resolve_types();
        self.read_signatures();
        self.check_models();
        self.check_functions();
        self.check_prompts();
        self.check_connectors();
        self.check_budgets();
        self.check_flows();
        self.check_tests();
    }
}

/// The file's name without its folders and its ending.
fn module_name(path: &str) -> String {
    let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
    file.strip_suffix(".pmflow").unwrap_or(file).to_string()
}

/// "`a`, `b` and `c`"
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => "nothing".into(),
    }
}
