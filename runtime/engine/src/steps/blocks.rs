//! Steps that hold blocks: `if`, `match`, `parallel`, `repeat`, and what `set` carries through one.

use crate::failures;
use crate::state::{Arm, RepeatState, StepState};
use crate::turn::{At, Turn};
use pmflow_plan::{Expr, MatchArm, StepKind, Value};
use std::rc::Rc;

impl<'a> Turn<'a> {
    pub fn start_if(&mut self, at: &At<'a>, condition: &'a Expr) {
        match self.evaluate_bool(at, condition) {
            Ok(true) => self.take_branch(at, Arm::Then, "then"),
            Ok(false) => self.take_branch(at, Arm::Otherwise, "else"),
            Err(failure) => self.fail(at, failure, false),
        }
    }

    pub fn start_match(&mut self, at: &At<'a>, value: &'a Expr, arms: &'a [MatchArm], has_otherwise: bool) {
        let value = match self.evaluate(at, value) {
            Ok(value) => value.to_text(),
            Err(failure) => return self.fail(at, failure, false),
        };
        match arms.iter().zip(0u32..).find(|(arm, _)| arm.case == value) {
            Some((_, position)) => self.take_branch(at, Arm::Case(position), &value),
            None if has_otherwise => self.take_branch(at, Arm::Otherwise, "else"),
            None => {
                let reason = format!("no arm of this `match` is for `{value}`");
                self.fail(at, failures::expression("the branch", reason), false);
            }
        }
    }

    /// The branch is recorded, for later estimates count how often each is taken.
    fn take_branch(&mut self, at: &At<'a>, arm: Arm, name: &str) {
        self.enter(at, StepState::Branch(arm));
        self.record_done(at, Some(Value::text(name)));
        self.continue_nested(at);
    }

    pub fn continue_nested(&mut self, at: &At<'a>) {
        let Some(state) = self.entry(at).map(|entry| entry.state.clone()) else { return };
        match at.scope.enter(at.step, at.position, &state, &at.local) {
            Some(scope) => {
                let scope = Rc::new(scope);
                if self.advance_block(&at.instance, &scope) {
                    self.drop_below(at, &scope.prefix);
                    self.done(at, None);
                }
            }
            None => self.fail(at, failures::damaged_plan(&at.path()), false),
        }
    }

    pub fn start_repeat(&mut self, at: &At<'a>) {
        self.enter(at, StepState::Repeat(RepeatState::default()));
        if self.begin_pass(at) {
            self.continue_repeat(at);
        }
    }

    pub fn continue_repeat(&mut self, at: &At<'a>) {
        loop {
            let Some(state) = self.entry(at).map(|entry| entry.state.clone()) else { return };
            let Some(scope) = at.scope.enter(at.step, at.position, &state, &at.local) else {
                return self.fail(at, failures::damaged_plan(&at.path()), false);
            };
            let scope = Rc::new(scope);
            if !self.advance_block(&at.instance, &scope) || self.halted(&at.instance) {
                return;
            }
            self.drop_below(at, &scope.prefix);
            let Some(StepState::Repeat(state)) = self.step_state(at) else { return };
            state.pass += 1;
            let next = std::mem::take(&mut state.next);
            for (name, value) in next {
                self.bind(&at.instance, &name, value);
            }
            if !self.begin_pass(at) {
                return;
            }
        }
    }

    /// Whether the pass that the state names is made; when not, the step is done.
    fn begin_pass(&mut self, at: &At<'a>) -> bool {
        let StepKind::Repeat { up_to, condition, .. } = &at.step.kind else { return false };
        let pass = match self.entry(at).map(|entry| &entry.state) {
            Some(StepState::Repeat(state)) => state.pass,
            _ => return false,
        };
        let wanted = if pass < *up_to { self.evaluate_bool(at, condition) } else { Ok(false) };
        match wanted {
            Ok(true) => return true,
            Ok(false) => {
                self.record_done(at, Some(Value::Int(i64::try_from(pass).unwrap_or(i64::MAX))));
                self.done(at, None);
            }
            Err(failure) => self.fail(at, failure, false),
        }
        false
    }

    pub fn start_set(&mut self, at: &At<'a>, variable: &str, value: &'a Expr) {
        let value = match self.evaluate(at, value) {
            Ok(value) => value,
            Err(failure) => return self.fail(at, failure, false),
        };
        let enclosing = at.scope.repeat.clone();
        let instance = self.state.instances.get_mut(&at.instance);
        let entry = enclosing.and_then(|local| instance.and_then(|instance| instance.entry_mut(&local)));
        match entry.map(|entry| &mut entry.state) {
            Some(StepState::Repeat(state)) => {
                state.next.insert(variable.to_owned(), value);
                self.done(at, None);
            }
            _ => {
                let reason = format!("`set {variable}` stands in no `repeat`");
                self.fail(at, failures::expression("the step", reason), false);
            }
        }
    }

    /// The steps of a block that ended are not needed any more.
    fn drop_below(&mut self, at: &At<'a>, prefix: &str) {
        if let Some(instance) = self.state.instances.get_mut(&at.instance) {
            instance.memory.steps.retain(|local, _| !local.starts_with(prefix));
        }
    }
}
