//! What a dotted name means: items, items of modules, operations and types of connectors.

use super::Checker;
use super::items::Item;
use crate::problems::nearest;
use crate::syntax::ast::Name;
use crate::{Problem, Span};
use ecow::EcoString;

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Type(usize),
    Model(usize),
    Prompt(usize),
    Function(usize),
    Connector(usize),
    Operation(usize),
    Budget(usize),
    Flow(usize),
    Module(usize),
    /// Reported already, here or where it was imported.
    Missing,
}

impl Found {
    /// "a prompt", for messages.
    pub fn described(self) -> &'static str {
        match self {
            Found::Type(_) => "a type",
            Found::Model(_) => "a model",
            Found::Prompt(_) => "a prompt",
            Found::Function(_) => "a function",
            Found::Connector(_) => "a connector",
            Found::Operation(_) => "an operation of a connector",
            Found::Budget(_) => "a budget",
            Found::Flow(_) => "a flow",
            Found::Module(_) => "an imported module",
            Found::Missing => "something that is missing",
        }
    }
}

impl Checker<'_> {
    /// Whether the file declares or imports the name.
    pub(super) fn has_item(&self, file: usize, name: &str) -> bool {
        self.items.names.get(file).is_some_and(|names| names.contains_key(name))
    }

    /// Whether an expression can begin a path with the name: an item of the file, or a type of the connector around it.
    pub(super) fn has_name(&self, scope: &super::scope::Scope, name: &str) -> bool {
        self.has_item(scope.file, name) || self.type_of_connector(scope.connector, name).is_some()
    }

    /// Follows the names as far as they lead; the number says how many were used. `connector`: inside one, its types
    /// are seen without its name. Reports what is missing.
    pub(super) fn follow(&mut self, file: usize, connector: Option<usize>, names: &[Name]) -> (Found, usize) {
        let Some((first, rest)) = names.split_first() else { return (Found::Missing, 0) };
        if let Some(found) = self.type_of_connector(connector, &first.text) {
            self.refer_to(first.span, found);
            return (found, 1);
        }
        let Some(&(item, definition)) = self.items.names.get(file).and_then(|names| names.get(&first.text)) else {
            self.report_unknown_item(file, connector, first);
            return (Found::Missing, 1);
        };
        self.refer(first.span, definition);
        let mut found = self.found(item);
        let mut used = 1;
        for name in rest {
            let Some(next) = self.member(found, name) else { break };
            found = next;
            used += 1;
            if found == Found::Missing {
                break;
            }
        }
        (found, used)
    }

    fn found(&self, item: Item) -> Found {
        match item {
            Item::Type(index) => Found::Type(index),
            Item::Model(index) => Found::Model(index),
            Item::Prompt(index) => Found::Prompt(index),
            Item::Function(index) => Found::Function(index),
            Item::Connector(index) => Found::Connector(index),
            Item::Budget(index) => Found::Budget(index),
            Item::Flow(index) => Found::Flow(index),
            Item::Module(Some(index)) => Found::Module(index),
            Item::Module(None) => Found::Missing,
        }
    }

    /// What a name means after a module or a connector; none when nothing can follow, as after a type.
    fn member(&mut self, of: Found, name: &Name) -> Option<Found> {
        match of {
            Found::Module(file) => {
                let declared = self.items.names.get(file).and_then(|names| names.get(&name.text)).copied();
                // A module's own imports are not its names.
                if let Some((item, definition)) = declared.filter(|(item, _)| !matches!(item, Item::Module(_))) {
                    self.refer(name.span, definition);
                    return Some(self.found(item));
                }
                match self.namesake(file).and_then(|connector| self.member_of_connector(connector, name)) {
                    Some(found) => Some(found),
                    None => Some(self.report_unknown_member(file, name)),
                }
            }
            Found::Connector(connector) => match self.member_of_connector(connector, name) {
                Some(found) => Some(found),
                None => Some(self.report_unknown_operation(connector, name)),
            },
            Found::Missing => Some(Found::Missing),
            _ => None,
        }
    }

    /// The connector that bears its file's name: its operations are the module's own.
    fn namesake(&self, file: usize) -> Option<usize> {
        let module = &self.files.get(file)?.module;
        let module = module.split('~').next().unwrap_or(module);
        match self.items.names.get(file)?.get(module)?.0 {
            Item::Connector(connector) => Some(connector),
            _ => None,
        }
    }

    fn type_of_connector(&self, connector: Option<usize>, name: &str) -> Option<Found> {
        let connector = self.items.connectors.get(connector?)?;
        connector.types.get(name).map(|index| Found::Type(*index))
    }

    fn member_of_connector(&mut self, connector: usize, name: &Name) -> Option<Found> {
        let connector = self.items.connectors.get(connector)?;
        let operation = connector.operations.get(&name.text).map(|index| Found::Operation(*index));
        let found = operation.or_else(|| connector.types.get(&name.text).map(|index| Found::Type(*index)))?;
        self.refer_to(name.span, found);
        let unknown = self.declared_at(found).is_some_and(|span| self.damage.covers(span));
        Some(if unknown { Found::Missing } else { found })
    }

    fn declared_at(&self, found: Found) -> Option<Span> {
        match found {
            Found::Type(index) => self.items.types.get(index).map(|item| item.span),
            Found::Operation(index) => self.items.operations.get(index).map(|item| item.span),
            _ => None,
        }
    }

    fn refer_to(&mut self, span: Span, found: Found) {
        if let Some(definition) = self.declared_at(found) {
            self.refer(span, definition);
        }
    }

    fn report_unknown_item(&mut self, file: usize, connector: Option<usize>, name: &Name) {
        if name.text.is_empty() {
            return;
        }
        let mut known: Vec<EcoString> = self.items.names.get(file).map(|names| sorted(names.keys())).unwrap_or_default();
        if let Some(connector) = connector.and_then(|connector| self.items.connectors.get(connector)) {
            known.extend(sorted(connector.types.keys()));
        }
        let mut problem = Problem::new("E0101", name.span, format!("there is nothing called `{}` here", name.text));
        problem = match nearest(&name.text, known.iter().map(EcoString::as_str)) {
            Some(near) => problem.help(format!("did you mean `{near}`?")).fix(format!("write `{near}`"), name.span, near),
            None if crate::stdlib::connectors().contains(&name.text.as_str()) => {
                let import = format!("import std.{}\n", name.text);
                let start = Span { file: name.span.file, start: 0, end: 0 };
                problem.help(format!("the standard library has it: `import std.{}`", name.text)).fix("import it", start, import)
            }
            None => problem.help("declare it, or import the file that does"),
        };
        self.report(problem);
    }

    fn report_unknown_member(&mut self, file: usize, name: &Name) -> Found {
        let mut known: Vec<EcoString> = self.items.names.get(file).map(|names| sorted(names.keys())).unwrap_or_default();
        if let Some(connector) = self.namesake(file).and_then(|connector| self.items.connectors.get(connector)) {
            known.extend(sorted(connector.operations.keys()));
            known.extend(sorted(connector.types.keys()));
        }
        let module = self.files.get(file).map_or("", |file| file.module.as_str()).to_string();
        self.report_unknown_name(name, &format!("`{module}` has nothing called `{}`", name.text), &known)
    }

    fn report_unknown_operation(&mut self, connector: usize, name: &Name) -> Found {
        let Some(connector) = self.items.connectors.get(connector) else { return Found::Missing };
        let mut known = sorted(connector.operations.keys());
        known.extend(sorted(connector.types.keys()));
        let own = connector.full.rsplit('/').next().unwrap_or_default().to_string();
        self.report_unknown_name(name, &format!("the connector `{own}` has nothing called `{}`", name.text), &known)
    }

    fn report_unknown_name(&mut self, name: &Name, message: &str, known: &[EcoString]) -> Found {
        let problem = Problem::new("E0101", name.span, message);
        let problem = suggest(problem, name.span, &name.text, known.iter().map(EcoString::as_str));
        self.report(problem);
        Found::Missing
    }
}

/// The nearest name as help and fix, else the list of what there is.
pub(super) fn suggest<'a>(problem: Problem, span: Span, wanted: &str, known: impl Iterator<Item = &'a str> + Clone) -> Problem {
    match nearest(wanted, known.clone()) {
        Some(near) => problem.help(format!("did you mean `{near}`?")).fix(format!("write `{near}`"), span, near),
        None => {
            let shown: Vec<&str> = known.take(NAMES_SHOWN_MAX).collect();
            if shown.is_empty() { problem } else { problem.help(format!("there is {}", super::project::listed(shown))) }
        }
    }
}

const NAMES_SHOWN_MAX: usize = 12;

fn sorted<'a>(names: impl Iterator<Item = &'a EcoString>) -> Vec<EcoString> {
    let mut names: Vec<EcoString> = names.cloned().collect();
    names.sort();
    names
}
