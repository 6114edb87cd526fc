//! The variables that an expression sees, and what is known of them where it stands.

use super::trust::Trust;
use super::ty::Ty;
use crate::Span;
use ecow::EcoString;
use std::collections::HashMap;

/// Variables of one flow, function, prompt, operation or test. Every variable gets a name of its own in the plan.
#[derive(Debug, Default)]
pub struct Scope {
    pub file: usize,
    variables: Vec<Variable>,
    visible: HashMap<EcoString, Vec<usize>>,
    /// Undone when a block is left.
    opened: Vec<EcoString>,
    taken: HashMap<EcoString, u32>,
    facts: Vec<Fact>,
    pub place: Place,
    /// Inside a connector: its types are seen without its name.
    pub connector: Option<usize>,
    /// Loops around the current step; a `set` must not cross one.
    pub loops: u32,
}

/// What is being checked; some names mean something in one place only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    #[default]
    Function,
    Prompt,
    Operation,
    Flow,
    Test,
}

#[derive(Clone, Debug)]
pub struct Variable {
    pub name: EcoString,
    /// In the plan.
    pub unique: EcoString,
    pub ty: Ty,
    pub trust: Trust,
    pub span: Span,
    pub kind: VariableKind,
    pub used: bool,
    pub loops: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariableKind {
    Parameter,
    Source,
    Let,
    Loop,
    Lambda,
    /// Of the language: `body`, `page`, `outputs`.
    Given,
}

/// What a condition or an approval has made known of a value, by its path.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// `lead.notes`, starting with the variable's name in the plan.
    pub path: String,
    pub kind: FactKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum FactKind {
    Present,
    Trusted,
}

/// What a scope is cut back to.
#[derive(Clone, Copy, Debug)]
pub struct Level {
    opened: usize,
    facts: usize,
}

impl Scope {
    pub fn new(file: usize, place: Place) -> Scope {
        Scope { file, place, ..Scope::default() }
    }

    pub fn enter(&self) -> Level {
        Level { opened: self.opened.len(), facts: self.facts.len() }
    }

    pub fn leave(&mut self, level: Level) {
        while self.opened.len() > level.opened {
            let Some(name) = self.opened.pop() else { break };
            if let Some(stack) = self.visible.get_mut(&name) {
                stack.pop();
            }
        }
        self.facts.truncate(level.facts);
    }

    /// Returns the name that the variable has in the plan.
    pub fn declare(&mut self, name: &EcoString, ty: Ty, trust: Trust, span: Span, kind: VariableKind) -> EcoString {
        let unique = self.unique(name);
        let trust = if ty.is_harmless() { Trust::trusted() } else { trust };
        let variable =
            Variable { name: name.clone(), unique: unique.clone(), ty, trust, span, kind, used: false, loops: self.loops };
        self.visible.entry(name.clone()).or_default().push(self.variables.len());
        self.variables.push(variable);
        self.opened.push(name.clone());
        unique
    }

    /// A name that no other variable of the plan has: `fit`, `fit~2`, …
    pub fn unique(&mut self, name: &EcoString) -> EcoString {
        let count = self.taken.entry(name.clone()).or_insert(0);
        *count += 1;
        if *count == 1 { name.clone() } else { ecow::eco_format!("{name}~{count}") }
    }

    pub fn find(&mut self, name: &str) -> Option<&mut Variable> {
        let index = *self.visible.get(name)?.last()?;
        self.variables.get_mut(index)
    }

    /// Whether the variable of this name in the plan holds the rows of a source.
    pub fn is_source(&self, unique: &str) -> bool {
        self.variables.iter().any(|variable| variable.unique == unique && variable.kind == VariableKind::Source)
    }

    pub fn sees(&self, name: &str) -> bool {
        self.visible.get(name).is_some_and(|stack| !stack.is_empty())
    }

    /// The names in sight, for suggestions; sorted.
    pub fn names(&self) -> Vec<EcoString> {
        let mut names: Vec<EcoString> = self.opened.clone();
        names.sort();
        names.dedup();
        names
    }

    pub fn learn(&mut self, facts: &[Fact]) {
        self.facts.extend_from_slice(facts);
    }

    pub fn knows(&self, path: &str, kind: &FactKind) -> bool {
        self.facts.iter().rev().any(|fact| fact.kind == *kind && fact.path == path)
    }

    /// Whether the value, or a value that it is part of, was approved.
    pub fn is_approved(&self, path: &str) -> bool {
        let reaches =
            |fact: &Fact| path.strip_prefix(fact.path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        self.facts.iter().any(|fact| fact.kind == FactKind::Trusted && reaches(fact))
    }

    /// What was known of a variable does not hold for its next value.
    pub fn forget(&mut self, unique: &str) {
        let about = |fact: &Fact| fact.path.strip_prefix(unique).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        // Kept in place, so that levels stay valid.
        for fact in self.facts.iter_mut().filter(|fact| about(fact)) {
            fact.path.clear();
        }
    }

    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }
}
