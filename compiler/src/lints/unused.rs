//! Names that nothing reads. Judged by the name alone: a name that is mentioned anywhere in its flow, or for a
//! declaration anywhere in the project, counts as used, so that nothing in use is ever called unused.

use super::Report;
use crate::Span;
use crate::problems::Problem;
use crate::syntax::ast::*;
use crate::syntax::walk::{self, Visitor};
use ecow::EcoString;
use std::collections::{BTreeMap, BTreeSet};

/// Where names are mentioned in a file.
#[derive(Debug, Default)]
pub(super) struct Mentions {
    by_item: Vec<BTreeSet<EcoString>>,
    /// In how many items a name is mentioned.
    items: BTreeMap<EcoString, usize>,
    /// Names after a dot: `shared.score` keeps `score` of `shared.pmflow`.
    pub members: BTreeSet<EcoString>,
}

impl Mentions {
    pub fn of(file: &File) -> Mentions {
        let mut mentions = Mentions::default();
        for item in &file.items {
            let mut names = Names::default();
            walk::item(&mut names, item);
            for name in &names.used {
                *mentions.items.entry(name.clone()).or_default() += 1;
            }
            mentions.members.extend(names.members);
            mentions.by_item.push(names.used);
        }
        mentions
    }
}

#[derive(Default)]
struct Names {
    used: BTreeSet<EcoString>,
    members: BTreeSet<EcoString>,
}

impl Visitor<'_> for Names {
    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Name(name) => {
                self.used.insert(name.clone());
            }
            ExprKind::Field { name: Some(name), .. } => {
                self.members.insert(name.text.clone());
            }
            _ => {}
        }
    }

    fn name(&mut self, name: &Name) {
        self.used.insert(name.text.clone());
    }

    fn path(&mut self, path: &Path) {
        let mut names = path.names.iter();
        self.used.extend(names.next().map(|name| name.text.clone()));
        self.members.extend(names.map(|name| name.text.clone()));
    }
}

/// Values, parameters and imports: no other file can mention them.
pub(super) fn check_inside(here: &Mentions, report: &mut Report<'_>) {
    for (item, used) in report.items().iter().zip(&here.by_item) {
        values(item, used, report);
        if let ItemKind::Import(import) = &item.kind {
            import_item(item, import, here, report);
        }
    }
}

/// Declarations. `members`: names after a dot, in any file.
pub(super) fn check_declarations(here: &Mentions, members: &BTreeSet<&EcoString>, report: &mut Report<'_>) {
    // A file without a flow is there for others to import.
    if report.items().iter().any(|item| matches!(item.kind, ItemKind::Flow(_))) {
        let items = report.items().iter().zip(&here.by_item);
        items.for_each(|(item, used)| declaration(item, used, here, members, report));
    }
}

fn import_item(item: &Item, import: &Import, here: &Mentions, report: &mut Report<'_>) {
    let (name, span) = match import {
        Import::Std { path } => match path.names.last() {
            Some(name) => (name.text.to_string(), path.span),
            None => return,
        },
        Import::File { path, path_span } => (module_name(path).to_owned(), *path_span),
    };
    if name.is_empty() || here.items.contains_key(name.as_str()) {
        return;
    }
    let line = whole_line(report.file.text, item.span);
    report.push(
        Problem::new("W0103", span, format!("the import `{name}` is not used"))
            .help("delete it; what it declares would be written as `name.thing`".replace("name", &name))
            .fix("delete the import", line, ""),
    );
}

fn module_name(path: &str) -> &str {
    let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
    file.strip_suffix(".pmflow").unwrap_or(file)
}

/// The span with the line break after it, when nothing else stands on its line.
fn whole_line(text: &str, span: Span) -> Span {
    let after = text.get(span.end as usize..).unwrap_or("");
    let rest = after.split('\n').next().unwrap_or("");
    if rest.trim().is_empty() && rest.len() < after.len() { Span { end: span.end + rest.len() as u32 + 1, ..span } } else { span }
}

fn declaration(item: &Item, own: &BTreeSet<EcoString>, here: &Mentions, members: &BTreeSet<&EcoString>, report: &mut Report<'_>) {
    let Some((kind, name)) = declared(item) else { return };
    let others = here.items.get(&name.text).copied().unwrap_or(0) - usize::from(own.contains(&name.text));
    if others == 0 && !members.contains(&name.text) && is_judged(&name.text) {
        let problem = Problem::new("W0102", name.span, format!("the {kind} `{}` is not used", name.text));
        report.push(problem.help("delete it, or start its name with `_` to keep it for later"));
    }
}

fn declared(item: &Item) -> Option<(&'static str, &Name)> {
    Some(match &item.kind {
        ItemKind::Type(item) => ("type", &item.name),
        ItemKind::Enum(item) => ("enum", &item.name),
        ItemKind::Model(item) => ("model", &item.name),
        ItemKind::Prompt(item) => ("prompt", &item.name),
        ItemKind::Function(item) => ("function", &item.name),
        ItemKind::Connector(item) => ("connector", &item.name),
        ItemKind::Budget(item) => ("budget", &item.name),
        ItemKind::Import(_) | ItemKind::Flow(_) | ItemKind::Test(_) | ItemKind::Broken => return None,
    })
}

/// A name that is missing while it is typed, and one that its author marked, are left alone.
fn is_judged(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('_')
}

fn values(item: &Item, used: &BTreeSet<EcoString>, report: &mut Report<'_>) {
    match &item.kind {
        ItemKind::Prompt(prompt) => parameters(&prompt.parameters, used, "it does not reach the model", report),
        ItemKind::Function(function) => parameters(&function.parameters, used, "the result does not depend on it", report),
        ItemKind::Flow(flow) => {
            parameters(&flow.parameters, used, "no step reads it", report);
            let mut declared = Declared::default();
            walk::block(&mut declared, &flow.body);
            declared.names.iter().for_each(|(kind, name)| value(kind, name, used, "nothing reads it", report));
        }
        ItemKind::Connector(connector) => {
            for operation in &connector.operations {
                let mut names = Names::default();
                walk::operation(&mut names, operation);
                parameters(&operation.parameters, &names.used, "it is not sent", report);
            }
        }
        _ => {}
    }
}

fn parameters(parameters: &[Parameter], used: &BTreeSet<EcoString>, consequence: &str, report: &mut Report<'_>) {
    parameters.iter().for_each(|parameter| value("parameter", &parameter.name, used, consequence, report));
}

fn value(kind: &str, name: &Name, used: &BTreeSet<EcoString>, consequence: &str, report: &mut Report<'_>) {
    if used.contains(&name.text) || !is_judged(&name.text) {
        return;
    }
    report.push(
        Problem::new("W0101", name.span, format!("the {kind} `{}` is not used", name.text))
            .label(consequence)
            .help("delete it, or start its name with `_` to say that this is meant"),
    );
}

#[derive(Default)]
struct Declared {
    names: Vec<(&'static str, Name)>,
}

impl Visitor<'_> for Declared {
    fn step(&mut self, step: &Step) {
        match &step.kind {
            StepKind::Source { name, .. } => self.names.push(("source", name.clone())),
            StepKind::Let { name, .. } => self.names.push(("value", name.clone())),
            StepKind::LetFor { name, body, .. } => {
                self.names.push(("list", name.clone()));
                self.names.push(("loop variable", body.variable.clone()));
            }
            StepKind::For(body) => self.names.push(("loop variable", body.variable.clone())),
            _ => {}
        }
    }
}
