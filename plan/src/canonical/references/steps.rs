//! References and depth of blocks and steps.

use super::super::{BLOCK_DEPTH_MAX, DecodeError};
use super::{Check, contradiction};
use crate::{Block, Call, Expr, For, Lambda, Source, SourceFrom, Stage, Step, StepKind, StreamFrom, Target, Wait};
use std::collections::{BTreeMap, BTreeSet};

impl Check<'_> {
    /// Collects the flows that are called.
    pub(super) fn block(&self, block: &Block, depth: usize, called: &mut BTreeSet<String>) -> Result<(), DecodeError> {
        if depth > BLOCK_DEPTH_MAX {
            return Err(DecodeError::TooDeep { what: "blocks", max: BLOCK_DEPTH_MAX });
        }
        let mut names = BTreeSet::new();
        if let Some(step) = block.steps.iter().find(|step| !names.insert(&step.name)) {
            return Err(contradiction(format!("two steps of one block are called `{}`", step.name)));
        }
        order(block)?;
        block.steps.iter().try_for_each(|step| self.step(step, block, depth, called))
    }

    fn step(&self, step: &Step, block: &Block, depth: usize, called: &mut BTreeSet<String>) -> Result<(), DecodeError> {
        let inner = depth + 1;
        match &step.kind {
            StepKind::Source(source) => self.source(source),
            StepKind::Let { value } | StepKind::Set { value, .. } | StepKind::Fail { text: value } => self.expression(value),
            StepKind::Call(call) => self.call(call, called),
            StepKind::If { condition, then, otherwise, .. } => {
                self.expression(condition)?;
                self.block(then, inner, called)?;
                self.block(otherwise, inner, called)
            }
            StepKind::Match { value, arms, otherwise } => {
                self.expression(value)?;
                arms.iter().map(|arm| &arm.body).chain(otherwise).try_for_each(|arm| self.block(arm, inner, called))
            }
            StepKind::For(repeated) => {
                self.stream(repeated, block)?;
                self.block(&repeated.body, inner, called)
            }
            StepKind::Repeat { condition, body, .. } => {
                self.expression(condition)?;
                self.block(body, inner, called)
            }
            StepKind::Parallel { body } => self.block(body, inner, called),
            StepKind::Wait(Wait::For(expr) | Wait::Until(expr)) => self.expression(expr),
            StepKind::Approve(approve) => {
                self.expression(&approve.text)?;
                approve.otherwise.iter().try_for_each(|otherwise| self.block(otherwise, inner, called))
            }
            StepKind::Output { value, tags } => [value].into_iter().chain(tags).try_for_each(|expr| self.expression(expr)),
            StepKind::Stop => Ok(()),
        }
    }

    fn source(&self, source: &Source) -> Result<(), DecodeError> {
        self.ty(&source.row)?;
        match &source.from {
            SourceFrom::File(file) => self.expression(&file.path),
            SourceFrom::Operation { operation, arguments } => {
                self.operation(operation)?;
                arguments.values().try_for_each(|argument| self.expression(argument))
            }
        }
    }

    fn operation(&self, name: &str) -> Result<(), DecodeError> {
        if self.plan.operations.contains_key(name) {
            return Ok(());
        }
        Err(contradiction(format!("the operation `{name}` is missing")))
    }

    fn call(&self, call: &Call, called: &mut BTreeSet<String>) -> Result<(), DecodeError> {
        let missing = |what: &str, name: &str| contradiction(format!("the {what} `{name}` is missing"));
        let parameters = match &call.target {
            Target::Prompt(name) => &self.plan.prompts.get(name).ok_or_else(|| missing("prompt", name))?.parameters,
            Target::Operation(name) => &self.plan.operations.get(name).ok_or_else(|| missing("operation", name))?.parameters,
            Target::Flow(name) => {
                called.insert(name.clone());
                &self.plan.flows.get(name).ok_or_else(|| missing("flow", name))?.parameters
            }
        };
        for (name, argument) in &call.arguments {
            if !parameters.iter().any(|parameter| parameter.name == *name) {
                return Err(contradiction(format!("a call gives `{name}`, which is no parameter of what it calls")));
            }
            self.expression(argument)?;
        }
        call.otherwise.iter().chain(&call.key).try_for_each(|expr| self.expression(expr))
    }

    fn stream(&self, repeated: &For, block: &Block) -> Result<(), DecodeError> {
        match &repeated.over.from {
            StreamFrom::List(list) => self.expression(list)?,
            StreamFrom::Source(name) => {
                let source = block.steps.iter().find(|step| step.name == *name).map(|step| &step.kind);
                if !matches!(source, Some(StepKind::Source(source)) if source.streamed) {
                    return Err(contradiction(format!("a loop streams `{name}`, which is no streamed source of its block")));
                }
            }
        }
        for stage in &repeated.over.stages {
            if let Stage::Filter(Lambda { parameters, body }) | Stage::Map(Lambda { parameters, body }) = stage {
                parameters.iter().try_for_each(|(_, ty)| self.ty(ty))?;
                self.expression(body)?;
            }
        }
        let exprs: Vec<&Expr> = repeated.key.iter().chain(&repeated.yields).collect();
        exprs.into_iter().try_for_each(|expr| self.expression(expr))
    }
}

/// `after` names steps of the block, and following it never leads back.
fn order(block: &Block) -> Result<(), DecodeError> {
    let mut waiting: BTreeMap<u32, usize> = BTreeMap::new();
    let mut followers: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let count = u32::try_from(block.steps.len()).map_err(|_| contradiction("a block has more steps than can be counted"))?;
    for (place, step) in (0..count).zip(&block.steps) {
        waiting.insert(place, step.after.len());
        for before in &step.after {
            if *before >= count {
                return Err(contradiction(format!("`{}` comes after step {before} of a block of {count}", step.name)));
            }
            followers.entry(*before).or_default().push(place);
        }
    }
    let mut ready: Vec<u32> = waiting.iter().filter(|(_, count)| **count == 0).map(|(place, _)| *place).collect();
    let mut ended = 0usize;
    while let Some(place) = ready.pop() {
        ended += 1;
        for follower in followers.get(&place).into_iter().flatten() {
            if let Some(left) = waiting.get_mut(follower) {
                *left -= 1;
                if *left == 0 {
                    ready.push(*follower);
                }
            }
        }
    }
    if ended == block.steps.len() { Ok(()) } else { Err(contradiction("steps of one block wait for each other")) }
}
