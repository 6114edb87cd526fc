//! A run on the table, with its rows beside it.

use pmflow_engine::{Command, Event, Finish, ModelCall, OperationCall, Run, RunId, RunOptions, Transition, Write};
use pmflow_plan::{Failure, Money, Plan, PlanId, Usage, Value};
use pmflow_sim::Rows;
use std::sync::Arc;

pub const NOW: i64 = 1_800_000_000_000_000;

pub struct Table {
    pub run: Run,
    pub rows: Rows,
    pub now: i64,
    /// Commands that nobody has answered.
    pub open: Vec<Command>,
}

impl Table {
    pub fn new(plan: Plan) -> Table {
        Table::with(plan, RunOptions::default())
    }

    pub fn with(plan: Plan, options: RunOptions) -> Table {
        let (id, plan_id) = (RunId("r1".into()), PlanId("plan_1".to_owned()));
        let (run, first) = Run::new(Arc::new(plan), plan_id, id, Value::None, options, NOW);
        let mut table = Table { run, rows: Rows::default(), now: NOW, open: Vec::new() };
        table.take(first);
        table
    }

    fn take(&mut self, transition: Transition) -> Vec<Write> {
        let refused = self.rows.commit(&transition.writes);
        assert_eq!(self.rows.violations, Vec::<String>::new());
        for command in transition.commands {
            // The store answers for itself.
            match command {
                Command::AwaitAdmission(admission) => {
                    let rejected = admission.items.iter().filter(|path| refused.contains(path)).cloned().collect();
                    let (instance, step, batch) = (admission.instance, admission.step, admission.batch);
                    let writes = self.apply(Event::ItemsAdmitted { instance, step, batch, rejected });
                    assert!(!writes.is_empty());
                }
                Command::Gather(gather) => {
                    let values = self.rows.gather(&gather);
                    self.apply(Event::Gathered { instance: gather.instance, step: gather.step, values });
                }
                other => self.open.push(other),
            }
        }
        transition.writes
    }

    pub fn apply(&mut self, event: Event) -> Vec<Write> {
        self.now += 1000;
        let transition = self.run.apply(self.now, event);
        self.take(transition)
    }

    /// The one call of a model that is open.
    pub fn model_call(&mut self) -> ModelCall {
        let position = self.open.iter().position(|command| matches!(command, Command::CallModel(_)));
        match self.open.remove(position.expect("a model is called")) {
            Command::CallModel(call) => call,
            other => panic!("{other:?}"),
        }
    }

    pub fn operation_call(&mut self) -> OperationCall {
        let position = self.open.iter().position(|command| matches!(command, Command::CallOperation(_)));
        match self.open.remove(position.expect("an operation is called")) {
            Command::CallOperation(call) => call,
            other => panic!("{other:?}"),
        }
    }

    /// Fires the first timer that is open.
    pub fn fire(&mut self) {
        let position = self.open.iter().position(|command| matches!(command, Command::StartTimer(_)));
        match self.open.remove(position.expect("a timer runs")) {
            Command::StartTimer(timer) => {
                self.now = self.now.max(timer.at);
                self.apply(Event::TimerFired { timer: timer.id });
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn calls_open(&self) -> usize {
        self.open.iter().filter(|command| matches!(command, Command::CallModel(_) | Command::CallOperation(_))).count()
    }

    pub fn outputs(&self) -> Vec<Value> {
        self.rows.root_outputs().into_iter().map(|row| row.value.clone()).collect()
    }
}

pub fn answered(call: &ModelCall, text: &str) -> Event {
    let usage = Usage { input_tokens: Some(100), output_tokens: Some(10), ..Usage::default() };
    Event::ModelAnswered {
        call: call.call.clone(),
        text: text.to_owned(),
        finish: Finish::Complete,
        usage,
        model: call.model.clone(),
    }
}

pub fn failed(call: &ModelCall, failure: Failure) -> Event {
    Event::CallFailed { call: call.call.clone(), failure }
}

/// 100 tokens in and 10 out, at `sim/one`'s price.
pub fn price() -> Money {
    Money::from_pico(100 * 100_000 + 10 * 400_000)
}

pub const GOOD: &str = r#"{"score": 7, "word": "fine"}"#;
