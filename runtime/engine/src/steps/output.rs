//! `output`: a stored result.

use crate::Write;
use crate::turn::{At, Turn};
use crate::write::OutputRow;
use pmflow_plan::{Expr, Failure, Value};

impl<'a> Turn<'a> {
    pub fn start_output(&mut self, at: &At<'a>, value: &'a Expr, tags: &'a [Expr]) {
        match self.worked_out(at, value, tags) {
            Ok((value, tags)) => {
                self.store_output(at, value, tags);
                self.done(at, None);
            }
            Err(failure) => self.fail(at, failure, false),
        }
    }

    fn worked_out(&self, at: &At<'a>, value: &'a Expr, tags: &'a [Expr]) -> Result<(Value, Vec<String>), Failure> {
        let value = self.evaluate(at, value)?;
        let tags: Result<Vec<Value>, Failure> = tags.iter().map(|tag| self.evaluate(at, tag)).collect();
        // A tag that is none is no tag.
        let tags = tags?.iter().filter(|tag| **tag != Value::None).map(Value::to_text).collect();
        Ok((value, tags))
    }

    fn store_output(&mut self, at: &At<'a>, value: Value, tags: Vec<String>) {
        let Some(instance) = self.state.instances.get(&at.instance) else { return };
        let owner = instance.memory.owner.clone();
        if owner == self.state.root {
            self.state.counters.outputs += 1;
        }
        let (order, step) = (at.order(), at.path());
        self.writes.push(Write::Output(OutputRow {
            instance: at.instance.clone(),
            step,
            owner,
            order,
            value,
            tags,
            at: self.now,
        }));
    }
}
