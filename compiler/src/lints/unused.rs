//! Names that nothing reads. Judged by the name alone: a name that is mentioned anywhere in its flow, or for a
//! declaration anywhere in the project, counts as used, so that nothing in use is ever called unused.

use super::{Findings, Report};
use crate::Span;
use crate::problems::Problem;
use crate::syntax::ast::*;
use crate::syntax::walk::{self, Visitor};
use ecow::EcoString;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// The names that an item mentions.
#[derive(Debug, Default)]
pub(super) struct Mentions {
    used: BTreeSet<EcoString>,
    /// Names after a dot: `shared.score` keeps `score` of `shared.pmflow`.
    pub members: BTreeSet<EcoString>,
}

impl Mentions {
    pub fn of(item: &Item) -> Mentions {
        let mut mentions = Mentions::default();
        walk::item(&mut mentions, item);
        mentions
    }
}

impl Visitor<'_> for Mentions {
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

/// Imports and declarations. `members`: names after a dot, in any file.
pub(super) fn check_file(findings: &[Arc<Findings>], members: &HashSet<&EcoString>, report: &mut Report<'_>) {
    let here = Counts::of(report.items(), findings);
    // A file without a flow is there for others to import.
    let has_flow = report.items().iter().any(|item| matches!(item.kind, ItemKind::Flow(_)));
    for (item, findings) in report.items().iter().zip(findings) {
        match &item.kind {
            ItemKind::Import(import) => import_item(item, import, &here, report),
            _ if has_flow => declaration(item, &findings.mentions.used, &here, members, report),
            _ => {}
        }
    }
}

/// In how many items of a file a name is mentioned that it declares or imports.
struct Counts<'a> {
    items: HashMap<&'a str, usize>,
}

impl<'a> Counts<'a> {
    fn of(items: &'a [Arc<Item>], findings: &[Arc<Findings>]) -> Counts<'a> {
        let name = |item: &'a Arc<Item>| match &item.kind {
            ItemKind::Import(import) => imported(import).map(|(name, _)| name),
            _ => declared(item).map(|(_, name)| name.text.as_str()),
        };
        let mut counts = Counts { items: items.iter().filter_map(name).map(|name| (name, 0)).collect() };
        for used in findings.iter().flat_map(|findings| &findings.mentions.used) {
            if let Some(count) = counts.items.get_mut(used.as_str()) {
                *count += 1;
            }
        }
        counts
    }

    fn of_name(&self, name: &str) -> usize {
        self.items.get(name).copied().unwrap_or(0)
    }
}

fn imported(import: &Import) -> Option<(&str, Span)> {
    match import {
        Import::Std { path } => path.names.last().map(|name| (name.text.as_str(), path.span)),
        Import::File { path, path_span } => Some((module_name(path), *path_span)),
    }
}

fn import_item(item: &Item, import: &Import, here: &Counts<'_>, report: &mut Report<'_>) {
    let Some((name, span)) = imported(import) else { return };
    if name.is_empty() || here.of_name(name) > 0 {
        return;
    }
    let line = whole_line(report.file.text, item.span);
    report.push(
        Problem::new("W0103", span, format!("the import `{name}` is not used"))
            .help("delete it; what it declares would be written as `name.thing`".replace("name", name))
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

fn declaration(
    item: &Item,
    own: &BTreeSet<EcoString>,
    here: &Counts<'_>,
    members: &HashSet<&EcoString>,
    report: &mut Report<'_>,
) {
    let Some((kind, name)) = declared(item) else { return };
    let others = here.of_name(&name.text) - usize::from(own.contains(&name.text));
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

/// Values and parameters: no other item can mention them.
pub(super) fn check_inside(item: &Item, mentions: &Mentions, report: &mut Report<'_>) {
    let used = &mentions.used;
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
                let mut names = Mentions::default();
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
