//! Expressions, evaluated where a step stands.

use crate::failures;
use crate::state::Instance;
use crate::turn::{At, Turn};
use crate::write::BindingRow;
use crate::{Path, Time, Write};
use pmflow_plan::eval::{self, Context, Scope};
use pmflow_plan::value::Record;
use pmflow_plan::{Expr, Failure, Parameter, ParameterDefault, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// Values above this weight get a row of their own instead of being written with their instance at every step.
const INLINE_BYTES_MAX: usize = 4096;

pub(crate) fn evaluate(expr: &Expr, scope: &Scope, context: &Context<'_>) -> Result<Value, Failure> {
    eval::evaluate(expr, scope, context).map_err(|error| failures::expression("an expression", error))
}

/// The run's clock: `now()` and `today()` are the same wherever and however often they are read.
pub(crate) fn clock(created_at: Time) -> Scope {
    let day = i32::try_from(created_at.div_euclid(DAY_MICROSECONDS)).unwrap_or(i32::MAX);
    // Asked for with every expression.
    static NAMES: LazyLock<[Arc<str>; 2]> = LazyLock::new(|| [eval::NOW.into(), eval::TODAY.into()]);
    let [now, today] = NAMES.clone();
    Scope::new().with_all([(now, Value::Datetime(created_at)), (today, Value::Date(day))])
}

pub(crate) const DAY_MICROSECONDS: i64 = 86_400_000_000;

impl Instance {
    /// The instance whose variables are seen from this one: a called flow sees nobody's.
    pub fn surrounding(&self) -> Option<&Path> {
        let nested = !self.memory.body.hops.is_empty();
        self.parent.as_ref().filter(|_| nested).map(|parent| &parent.instance)
    }
}

impl<'a> Turn<'a> {
    /// What an instance sees: its own values, and those of the instances around it up to its flow.
    pub fn sight(&self, path: &Path) -> Scope {
        let mut around = Vec::new();
        let mut next = self.state.instances.get(path);
        while let Some(instance) = next {
            around.push(instance);
            next = instance.surrounding().and_then(|path| self.state.instances.get(path));
        }
        around.iter().rev().fold(clock(self.state.clock()), |scope, instance| {
            scope.with_all(instance.memory.bindings.iter().map(|(name, value)| (name.clone(), value.clone())))
        })
    }

    pub fn evaluate(&self, at: &At<'a>, expr: &Expr) -> Result<Value, Failure> {
        self.evaluate_in(&at.instance, expr)
    }

    pub fn evaluate_in(&self, instance: &Path, expr: &Expr) -> Result<Value, Failure> {
        // Nothing has to be seen for these two, and loops over long lists ask for them often.
        if let Expr::Literal(value) = expr {
            return Ok(value.clone());
        }
        evaluate(expr, &self.sight(instance), &self.context)
    }

    pub fn evaluate_bool(&self, at: &At<'a>, expr: &Expr) -> Result<bool, Failure> {
        match self.evaluate(at, expr)? {
            Value::Bool(value) => Ok(value),
            other => Err(failures::expression("the condition", format!("it is {}, not a bool", other.kind()))),
        }
    }

    /// A call's arguments by parameter: what the caller gives, else the default, else none.
    pub fn arguments(
        &self,
        at: &At<'a>,
        given: &BTreeMap<String, Expr>,
        parameters: &[Parameter],
    ) -> Result<Arc<Record>, Failure> {
        let mut fields = Vec::with_capacity(parameters.len());
        for parameter in parameters {
            let value = match (given.get(&parameter.name), &parameter.default) {
                (Some(expr), _) => self.evaluate(at, expr)?,
                (None, Some(ParameterDefault::Value(expr))) => self.evaluate(at, expr)?,
                (None, _) => Value::None,
            };
            fields.push((parameter.name.as_str().into(), value));
        }
        Ok(Arc::new(Record { fields }))
    }

    /// Gives a name its value in an instance.
    pub fn bind(&mut self, path: &Path, name: &str, value: Value) {
        let Some(instance) = self.state.instances.get_mut(path) else { return };
        let is_external = weighs_more_than(&value, INLINE_BYTES_MAX);
        if is_external {
            let row = BindingRow { instance: path.clone(), name: name.to_owned(), value: value.clone() };
            self.writes.push(Write::Bind(row));
        }
        instance.memory.bindings.insert(name, value, is_external);
        self.touch(path);
    }
}

/// Whether a value's stored form is about larger than so many bytes; looks at no more of it than needed.
fn weighs_more_than(value: &Value, bytes_max: usize) -> bool {
    let mut open = vec![value];
    let mut bytes = 0usize;
    while let Some(value) = open.pop() {
        bytes += 8;
        match value {
            Value::Text(text) => bytes += text.len(),
            Value::List(items) => {
                bytes += items.len();
                if bytes <= bytes_max {
                    open.extend(items.iter());
                }
            }
            Value::Record(record) => {
                for (name, field) in &record.fields {
                    bytes += name.len();
                    open.push(field);
                }
            }
            _ => {}
        }
        if bytes > bytes_max {
            return true;
        }
    }
    false
}
