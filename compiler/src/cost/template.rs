//! What is known of a prompt's text before it is filled in: its constant part, and what the holes are expected to hold.

use super::answer::answer_size;
use pmflow_plan::eval::FENCE_NOTICE;
use pmflow_plan::{Expr, Piece, Plan, Prompt, Type, Value};
use std::collections::BTreeMap;

/// A prompt's texts, all messages together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateText {
    /// What every request holds: holes empty, the shorter branch taken, no loop entered.
    pub constant: String,
    /// What a request is taken to hold: holes empty, branches taken.
    pub likely: String,
    pub holes_bytes_expected: u64,
    /// Bytes from the start that never change: what a provider's cache can keep.
    pub prefix_bytes: u64,
    /// Constant bytes behind the first hole.
    pub constant_behind_bytes: u64,
    pub messages: u64,
}

const PIECES_DEPTH_MAX: u32 = 100;

pub(super) fn template_text(prompt: &Prompt, plan: &Plan, known: Option<&BTreeMap<String, u64>>) -> TemplateText {
    let scope = prompt.parameters.iter().map(|parameter| (parameter.name.as_str(), &parameter.ty)).collect();
    let mut walk = Walk { plan, scope, known, text: TemplateText::default(), fixed: true };
    // Untrusted text is fenced, and the system message begins with what a fence means.
    if prompt.system.iter().chain(prompt.messages.iter().map(|message| &message.text)).any(has_untrusted_hole) {
        walk.constant(FENCE_NOTICE, true);
    }
    for expr in prompt.system.iter().chain(prompt.messages.iter().map(|message| &message.text)) {
        walk.text.messages += 1;
        walk.message(expr);
    }
    walk.text
}

struct Walk<'a> {
    plan: &'a Plan,
    scope: BTreeMap<&'a str, &'a Type>,
    /// Bytes of parameters.
    known: Option<&'a BTreeMap<String, u64>>,
    text: TemplateText,
    /// Nothing that varies stood before.
    fixed: bool,
}

impl<'a> Walk<'a> {
    fn message(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Template(pieces) => self.pieces(pieces, true, 0),
            Expr::Literal(Value::Text(text)) => self.constant(text, true),
            other => self.hole(other),
        }
    }

    fn pieces(&mut self, pieces: &'a [Piece], always: bool, depth: u32) {
        if depth > PIECES_DEPTH_MAX {
            return;
        }
        for piece in pieces {
            match piece {
                Piece::Text(text) => self.constant(text, always),
                Piece::Hole { value, .. } => self.hole(value),
                Piece::If { then, otherwise, .. } => self.branches(then, otherwise, always, depth),
                Piece::For { variable, list, body } => self.rounds(variable, list, body, depth),
            }
        }
    }

    fn constant(&mut self, text: &str, always: bool) {
        let bytes = text.len() as u64;
        if self.fixed && always {
            self.text.prefix_bytes += bytes;
        } else {
            self.text.constant_behind_bytes += bytes;
        }
        if always {
            self.text.constant.push_str(text);
        }
        self.text.likely.push_str(text);
    }

    fn hole(&mut self, value: &'a Expr) {
        self.fixed = false;
        let bytes = self.bytes_expected(value);
        self.text.holes_bytes_expected = self.text.holes_bytes_expected.saturating_add(bytes);
    }

    /// The first branch is the likely one; which is the shorter is not known before the holes are, so neither is constant.
    fn branches(&mut self, then: &'a [Piece], otherwise: &'a [Piece], _always: bool, depth: u32) {
        self.fixed = false;
        let before = self.text.clone();
        self.pieces(otherwise, false, depth + 1);
        self.text = before;
        self.pieces(then, false, depth + 1);
    }

    fn rounds(&mut self, variable: &'a str, list: &'a Expr, body: &'a [Piece], depth: u32) {
        self.fixed = false;
        let item = self.type_of(list).map(|ty| self.resolved(ty));
        let (of, rounds) = match item {
            Some(Type::List { of, max }) => (Some(&**of), max.map_or(5, |max| max.div_ceil(2))),
            _ => (None, 5),
        };
        let before = of.and_then(|of| self.scope.insert(variable, of));
        let mut inner =
            Walk { plan: self.plan, scope: self.scope.clone(), known: None, text: TemplateText::default(), fixed: false };
        inner.pieces(body, false, depth + 1);
        let once = inner.text.holes_bytes_expected.saturating_add(inner.text.likely.len() as u64);
        self.text.holes_bytes_expected = self.text.holes_bytes_expected.saturating_add(once.saturating_mul(rounds));
        match before {
            Some(before) => self.scope.insert(variable, before),
            None => self.scope.remove(variable),
        };
    }

    fn bytes_expected(&self, value: &'a Expr) -> u64 {
        match value {
            Expr::Literal(Value::Text(text)) => text.len() as u64,
            Expr::Literal(_) => 8,
            other => self.known_bytes(other).or_else(|| self.declared_bytes(other)).unwrap_or(UNKNOWN_BYTES_EXPECTED),
        }
    }

    fn known_bytes(&self, value: &Expr) -> Option<u64> {
        let Expr::Var(name) = value else { return None };
        self.known?.get(name).copied()
    }

    fn declared_bytes(&self, value: &'a Expr) -> Option<u64> {
        self.type_of(value).map(|ty| answer_size(ty, &self.plan.types).bytes_expected)
    }

    fn type_of(&self, value: &'a Expr) -> Option<&'a Type> {
        match value {
            Expr::Var(name) => self.scope.get(name.as_str()).copied(),
            Expr::Field { of, name } | Expr::OptionalField { of, name } => match self.resolved(self.type_of(of)?) {
                Type::Record(fields) => fields.iter().find(|field| field.name == *name).map(|field| &field.ty),
                _ => None,
            },
            Expr::Otherwise { of, .. } => self.type_of(of),
            _ => None,
        }
    }

    /// Without names and optionals around it.
    fn resolved(&self, ty: &'a Type) -> &'a Type {
        let mut ty = ty;
        for _ in 0..PIECES_DEPTH_MAX {
            ty = match ty {
                Type::Optional(of) => of,
                Type::Named(name) => match self.plan.types.get(name) {
                    Some(named) => named,
                    None => return ty,
                },
                _ => return ty,
            };
        }
        ty
    }
}

/// One that is filled in always; within a branch or a loop it may never come to a fence.
fn has_untrusted_hole(expr: &Expr) -> bool {
    match expr {
        Expr::Template(pieces) => pieces.iter().any(|piece| matches!(piece, Piece::Hole { untrusted: true, .. })),
        _ => false,
    }
}

/// A hole of which not even the type is known.
const UNKNOWN_BYTES_EXPECTED: u64 = 40;
