//! Where a text came from, and the way it took.

use crate::Span;
use ecow::EcoString;
use std::sync::Arc;

/// What is known of a value's origin. Numbers, dates and enum values carry none.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The first way by which text from outside got in.
    pub untrusted: Option<Arc<Mark>>,
    /// Parameters whose text is in it: whether they are trusted is for each caller to say.
    pub parameters: Vec<Arc<Mark>>,
}

/// One station of the way.
#[derive(Clone, Debug)]
pub struct Mark {
    pub origin: Origin,
    pub span: Span,
    /// "`leads` is read from outside here", "`company` takes it on"
    pub what: String,
    pub before: Option<Arc<Mark>>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    External,
    Model,
    /// Of the flow, prompt or function that is being checked.
    Parameter(usize),
}

/// A parameter that must be given trusted text, because of what is done with it.
#[derive(Clone, Debug)]
pub struct Demand {
    pub span: Span,
    pub why: String,
    /// It goes into a `system` text.
    pub system: bool,
}

impl Trust {
    pub fn trusted() -> Trust {
        Trust::default()
    }

    pub fn new(origin: Origin, span: Span, what: impl Into<String>) -> Trust {
        let is_parameter = matches!(origin, Origin::Parameter(_));
        let mark = Arc::new(Mark { origin, span, what: what.into(), before: None });
        match is_parameter {
            true => Trust { untrusted: None, parameters: vec![mark] },
            false => Trust { untrusted: Some(mark), parameters: Vec::new() },
        }
    }

    pub fn is_trusted(&self) -> bool {
        self.untrusted.is_none() && self.parameters.is_empty()
    }

    pub fn join(&self, other: &Trust) -> Trust {
        let mut joined = self.clone();
        joined.add(other);
        joined
    }

    pub fn add(&mut self, other: &Trust) {
        if self.untrusted.is_none() {
            self.untrusted = other.untrusted.clone();
        }
        for mark in &other.parameters {
            if !self.parameters.iter().any(|known| known.origin == mark.origin) {
                self.parameters.push(mark.clone());
            }
        }
    }

    /// The same text under a new name.
    pub fn passed(&self, name: &EcoString, span: Span) -> Trust {
        let pass = |mark: &Arc<Mark>| {
            Arc::new(Mark {
                origin: mark.origin.clone(),
                span,
                what: format!("`{name}` takes it on"),
                before: Some(mark.clone()),
            })
        };
        Trust { untrusted: self.untrusted.as_ref().map(pass), parameters: self.parameters.iter().map(pass).collect() }
    }
}

impl Mark {
    /// The stations from the entrance on, at most eight: the entrance and the last ones.
    pub fn way(&self) -> Vec<(Span, String)> {
        let mut way = vec![(self.span, self.what.clone())];
        let mut at = &self.before;
        while let Some(mark) = at {
            way.push((mark.span, mark.what.clone()));
            at = &mark.before;
        }
        way.reverse();
        if way.len() > STATIONS_MAX {
            way.drain(1..way.len() - STATIONS_MAX + 1);
        }
        way
    }

    pub fn entrance(&self) -> &Mark {
        let mut mark = self;
        while let Some(before) = &mark.before {
            mark = before;
        }
        mark
    }
}

const STATIONS_MAX: usize = 8;
