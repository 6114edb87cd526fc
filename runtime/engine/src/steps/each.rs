//! `for`: items are instances of their own, inserted in batches and started while the concurrency allows.
//!
//! A batch of rows becomes children that wait; the store says which of them it refused, because their key was there
//! before; the others start as others end. So the loop itself keeps counters, a cursor and a window.

use super::source::PULL_TIMEOUT_MS;
use crate::failures;
use crate::retry::Next;
use crate::state::{Arm, Bindings, Instance, LoopState, Memory, Parent, STATE_FORMAT, StepState};
use crate::step_records::Detail;
use crate::steps::backoff_purpose;
use crate::steps::sleep::SLEEPING_MAX;
use crate::stream::{Passage, Stages};
use crate::turn::{At, Turn};
use crate::write::{InstanceStatus, StepRow, StepStatus};
use crate::{Admission, Command, Gather, GatherOf, Path, Pull, Row, Write};
use pmflow_plan::{Failure, For, OnError, Source, Step, StepKind, StreamFrom, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Batches are at least so large, so that the commit that admits one is shared by many items.
const WINDOW_MIN: u64 = 16;
/// Rows read in one pull that may find nothing: progress is kept after so many.
const READ_MAX: u64 = 50_000;

impl<'a> Turn<'a> {
    pub fn start_loop(&mut self, at: &At<'a>, _each: &'a For) {
        self.enter(at, StepState::Loop(LoopState::default()));
        self.continue_loop(at);
    }

    /// Starts what waits, asks for more, and sees the end.
    pub fn continue_loop(&mut self, at: &At<'a>) {
        let StepKind::For(each) = &at.step.kind else { return };
        self.start_waiting(at);
        self.refill(at, each);
        if self.halted(&at.instance) {
            return;
        }
        let Some(state) = self.loop_state(at) else { return };
        let idle =
            state.running == 0 && state.sleeping == 0 && state.waiting.is_empty() && state.admitting.is_empty() && !state.pulling;
        if !(idle && state.exhausted && !state.gathering && state.backoff.is_none()) {
            return;
        }
        if each.yields.is_none() {
            return self.end_loop(at, None);
        }
        if let Some(StepState::Loop(state)) = self.step_state(at) {
            state.gathering = true;
        }
        self.commands.push(gather(at));
    }

    pub fn end_loop(&mut self, at: &At<'a>, yields: Option<Vec<Value>>) {
        let Some(state) = self.loop_state(at) else { return };
        let count = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        let counts = Value::record([("done", count(state.done)), ("failed", count(state.failed))]);
        self.record_done(at, Some(counts));
        self.done(at, yields.map(Value::list));
    }

    fn loop_state(&self, at: &At<'a>) -> Option<&LoopState> {
        match self.entry(at).map(|entry| &entry.state) {
            Some(StepState::Loop(state)) => Some(state),
            _ => None,
        }
    }

    fn start_waiting(&mut self, at: &At<'a>) {
        let concurrency = u64::from(at.scope.flow.settings.concurrency.max(1));
        loop {
            let Some(instance) = self.state.instances.get_mut(&at.instance) else { return };
            let Some(state) = instance.loop_mut(&at.local) else { return };
            if state.running >= concurrency {
                return;
            }
            if let Some((_, path)) = state.ready.pop_first() {
                state.wake_one();
                self.awaken(&path);
                continue;
            }
            if state.sleeping >= SLEEPING_MAX {
                return;
            }
            let Some((_, path)) = state.waiting.pop_first() else { return };
            state.running += 1;
            self.touch(&at.instance);
            self.start_item(&path);
        }
    }

    fn start_item(&mut self, path: &Path) {
        let now = self.now;
        let Some(instance) = self.state.instances.get_mut(path) else { return };
        instance.status = InstanceStatus::Running;
        instance.started_at = now;
        let bindings = instance.memory.bindings.clone();
        for (name, value) in bindings.iter() {
            self.bind(path, name, value.clone());
        }
        self.state.counters.items_started += 1;
        self.touch_run();
        self.touch(path);
        self.wake(path);
    }

    fn refill(&mut self, at: &At<'a>, each: &'a For) {
        let window = window(at);
        let Some(state) = self.loop_state(at) else { return };
        let busy = state.exhausted || state.pulling || state.backoff.is_some() || !state.admitting.is_empty();
        let waiting = state.waiting.len() as u64;
        if busy || waiting > window / 2 {
            return;
        }
        match &each.over.from {
            StreamFrom::List(_) => self.take_from_list(at, each, window - waiting),
            StreamFrom::Source(_) => self.pull(at),
        }
    }

    fn take_from_list(&mut self, at: &At<'a>, each: &'a For, count: u64) {
        let items = match self.items(at, each) {
            Ok(items) => items,
            Err(failure) => return self.fail(at, failure, false),
        };
        let Some(state) = self.loop_state(at) else { return };
        let begin = usize::try_from(state.next_index).unwrap_or(usize::MAX).min(items.len());
        let end = begin.saturating_add(usize::try_from(count).unwrap_or(usize::MAX)).min(items.len());
        let rows = items.get(begin..end).unwrap_or_default().to_vec();
        if let Some(StepState::Loop(state)) = self.step_state(at) {
            state.exhausted = end == items.len();
        }
        self.insert_items(at, each, rows);
    }

    /// The items of a loop over a list: worked out when it starts, and once more after a recovery.
    fn items(&mut self, at: &At<'a>, each: &'a For) -> Result<Arc<Vec<Row>>, Failure> {
        if let Some(items) = self.loop_state(at).and_then(|state| state.items.clone()) {
            return Ok(items);
        }
        let StreamFrom::List(list) = &each.over.from else { return Err(failures::damaged_plan(&at.path())) };
        let list = self.evaluate(at, list)?;
        let Value::List(list) = &list else {
            return Err(failures::expression("the list of a loop", format!("it is {}", list.kind())));
        };
        let rows = self.sieved(at, each, list);
        let items = Arc::new(rows);
        if let Some(StepState::Loop(state)) = self.step_state(at) {
            state.items = Some(items.clone());
        }
        Ok(items)
    }

    fn sieved(&self, at: &At<'a>, each: &'a For, list: &[Value]) -> Vec<Row> {
        let mut sieve = self.stages(at, &each.over.stages).sieve(&self.context);
        let mut rows = Vec::new();
        for value in list {
            if sieve.ended() {
                break;
            }
            match sieve.pass(value.clone()) {
                Passage::Kept(value) => rows.push(Row { value: Ok(value) }),
                Passage::Dropped => {}
                Passage::Failed(failure) => rows.push(Row { value: Err(failure) }),
            }
        }
        rows
    }

    fn pull(&mut self, at: &At<'a>) {
        let Some(StepState::Loop(state)) = self.step_state(at) else { return };
        state.pull += 1;
        state.pulling = true;
        state.backoff = None;
        match self.pull_command(at) {
            Ok(command) => self.commands.push(command),
            Err(failure) => self.fail_loop(at, failure),
        }
    }

    pub fn pull_command(&self, at: &At<'a>) -> Result<Command, Failure> {
        let (each, source) = self.streamed(at)?;
        let StreamFrom::Source(name) = &each.over.from else { return Err(failures::damaged_plan(&at.path())) };
        let state = self.loop_state(at).ok_or_else(|| failures::damaged_plan(&at.path()))?;
        let window = window(at);
        let stages = self.stages(at, &each.over.stages);
        let stages = Stages { read_limit: source.limit, read: state.read, entered: state.entered.clone(), ..stages };
        Ok(Command::PullRows(Pull {
            instance: at.instance.clone(),
            step: at.path(),
            pull: state.pull,
            name: name.to_owned(),
            source: self.resolved(at, source)?,
            cursor: state.cursor.clone(),
            // A refill begins when half of the window is empty.
            rows_max: window - window / 2,
            read_max: READ_MAX,
            stages,
            timeout_ms: source.timeout_ms.unwrap_or(PULL_TIMEOUT_MS),
        }))
    }

    /// The loop and the streamed source that it pulls from: a step of the same block.
    pub fn streamed(&self, at: &At<'a>) -> Result<(&'a For, &'a Source), Failure> {
        let StepKind::For(each) = &at.step.kind else { return Err(failures::damaged_plan(&at.path())) };
        let StreamFrom::Source(name) = &each.over.from else { return Err(failures::damaged_plan(&at.path())) };
        let found = at.scope.block.steps.iter().find_map(|step| match step {
            Step { name: found, kind: StepKind::Source(source), .. } if found == name => Some(source),
            _ => None,
        });
        found.map(|source| (each, source)).ok_or_else(|| failures::missing("source", name))
    }

    pub fn rows_pulled(&mut self, at: &At<'a>, rows: Vec<Row>, cursor: Option<String>, stages: &Stages, exhausted: bool) {
        let Ok((each, source)) = self.streamed(at) else { return };
        let Some(StepState::Loop(state)) = self.step_state(at) else { return };
        let read = stages.read.saturating_sub(state.read);
        state.pulling = false;
        state.tried = 0;
        state.cursor = cursor;
        state.read = stages.read;
        state.entered.clone_from(&stages.entered);
        state.exhausted = exhausted || stages.ended() || source.limit.is_some_and(|limit| stages.read >= limit);
        self.state.counters.rows_read += read;
        self.touch_run();
        self.insert_items(at, each, rows);
        self.wake(&at.instance);
    }

    pub fn pull_failed(&mut self, at: &At<'a>, failure: Failure) {
        let Ok((_, source)) = self.streamed(at) else { return };
        let Some(tried) = self.loop_state(at).map(|state| state.tried) else { return };
        match self.next_read(at, source, &failure, tried) {
            Next::PutOff { delay_ms } | Next::Again { delay_ms } => {
                self.next_attempt(at);
                self.record(at, StepStatus::Retried, Detail { failure: Some(failure), ..Detail::default() });
                let until = self.after_ms(delay_ms);
                let Some(StepState::Loop(state)) = self.step_state(at) else { return };
                (state.tried, state.backoff, state.pulling) = (state.tried + 1, Some(until), false);
                self.start_timer(at, &backoff_purpose(until), until);
            }
            Next::Exhausted => self.fail_loop(at, failure),
        }
    }

    /// Goes on after a pause.
    pub fn pull_again(&mut self, at: &At<'a>) {
        self.pull(at);
    }

    /// The loop fails its instance and keeps its place: after a resume it goes on where it stood.
    fn fail_loop(&mut self, at: &At<'a>, failure: Failure) {
        self.next_attempt(at);
        self.record(at, StepStatus::Failed, Detail { failure: Some(failure.clone()), ..Detail::default() });
        if let Some(StepState::Loop(state)) = self.step_state(at) {
            state.tried = 0;
        }
        self.fail_instance(&at.instance, failure);
    }

    /// Makes waiting children of rows. What cannot become one is a failed item.
    fn insert_items(&mut self, at: &At<'a>, each: &'a For, rows: Vec<Row>) {
        let mut admitting = Vec::new();
        for row in rows {
            let Some(StepState::Loop(state)) = self.step_state(at) else { return };
            let index = state.next_index;
            if let Some(most) = each.items_max.filter(|most| index >= *most) {
                state.exhausted = true;
                self.fail_loop(at, failures::too_many_items(most));
                break;
            }
            state.next_index += 1;
            match self.keyed(at, each, index, row) {
                Ok((path, value)) => {
                    self.insert_item(at, each, index, path.clone(), value);
                    admitting.push((index, path));
                }
                Err((path, failure)) => self.reject_item(at, index, &path, failure),
            }
        }
        if admitting.is_empty() {
            return self.wake(&at.instance);
        }
        let Some(StepState::Loop(state)) = self.entry(at).map(|entry| entry.state.clone()) else { return };
        let items = admitting.iter().map(|(_, path)| path.clone()).collect();
        let batch = state.batch + 1;
        self.enter(at, StepState::Loop(LoopState { batch, admitting, ..state }));
        let admission = Admission { instance: at.instance.clone(), step: at.path(), batch, items };
        self.commands.push(Command::AwaitAdmission(admission));
    }

    fn keyed(&self, at: &At<'a>, each: &'a For, index: u64, row: Row) -> Result<(Path, Value), (Path, Failure)> {
        let numbered = || at.path().item(&index.to_string());
        let value = row.value.map_err(|failure| (numbered(), failure))?;
        let Some(key) = &each.key else { return Ok((numbered(), value)) };
        let scope = self.sight(&at.instance).with(each.variable.as_str(), value.clone());
        let key = crate::expressions::evaluate(key, &scope, &self.context).map_err(|failure| (numbered(), failure))?;
        if key == Value::None {
            return Err((numbered(), failures::expression("the key of an item", "it is none")));
        }
        let path = at.path().item(&key.to_text());
        if self.state.instances.contains_key(&path) {
            return Err((path, failures::duplicate_key(&key.to_text())));
        }
        Ok((path, value))
    }

    fn insert_item(&mut self, at: &At<'a>, each: &'a For, index: u64, path: Path, value: Value) {
        let Some(parent) = self.state.instances.get(&at.instance) else { return };
        let memory = Memory {
            format: STATE_FORMAT,
            body: at.scope.reference.nested(at.position, Arm::Body),
            order: format!("{}{}", at.order(), crate::state::ordinal(index)),
            place: parent.place(&at.local),
            owner: parent.memory.owner.clone(),
            depth: parent.memory.depth,
            steps: BTreeMap::new(),
            bindings: Bindings::one(&each.variable, value),
            failing: None,
            deadline: None,
        };
        let instance = Instance {
            path: path.clone(),
            parent: Some(Parent { instance: at.instance.clone(), step: at.local.clone() }),
            index,
            status: InstanceStatus::Waiting,
            started_at: self.now,
            memory,
            asleep: false,
            stirred: false,
        };
        self.writes.push(Write::InsertInstance(instance.row()));
        self.state.instances.insert(path, instance);
    }

    /// The store has said which children it refused: the others may start.
    pub fn items_admitted(&mut self, at: &At<'a>, rejected: &[Path]) {
        let Some(StepState::Loop(mut state)) = self.entry(at).map(|entry| entry.state.clone()) else { return };
        let admitting = std::mem::take(&mut state.admitting);
        let (refused, admitted): (Vec<_>, Vec<_>) = admitting.into_iter().partition(|(_, path)| rejected.contains(path));
        state.waiting.extend(admitted);
        self.enter(at, StepState::Loop(state));
        for (index, path) in refused {
            // After a recovery the path may be that of the item which was there before.
            if self.state.instances.get(&path).is_some_and(|instance| instance.index == index) {
                self.state.instances.remove(&path);
            }
            self.reject_item(at, index, &path, failures::duplicate_key(item_key(&path)));
        }
        self.wake(&at.instance);
    }

    fn reject_item(&mut self, at: &At<'a>, index: u64, path: &Path, failure: Failure) {
        self.record_item(at, &Path::from_stored(format!("{path}!{index}")), failure.clone());
        if let Some(StepState::Loop(state)) = self.step_state(at) {
            state.failed += 1;
        }
        self.state.counters.items_failed += 1;
        self.touch_run();
        if at.scope.flow.settings.on_error == OnError::Stop {
            self.fail_instance(&at.instance, failure);
        }
    }

    /// An item that failed before or after its steps.
    pub fn record_item(&mut self, at: &At<'a>, step: &Path, failure: Failure) {
        let Some(parent) = self.state.instances.get(&at.instance) else { return };
        let row = StepRow {
            instance: at.instance.clone(),
            step: step.clone(),
            place: parent.place(&at.local),
            attempt: 1,
            kind: "item",
            target: None,
            status: StepStatus::Failed,
            started_at: self.now,
            ended_at: self.now,
            result: None,
            failure: Some(failure),
            model: None,
            usage: None,
            cost: None,
            from_cache: false,
            input_key: None,
        };
        self.writes.push(Write::RecordStep(row));
    }

    /// An item ended; its instance is gone.
    pub fn item_ended(&mut self, at: &At<'a>, item: &Instance, done: bool) {
        let Some(StepState::Loop(state)) = self.step_state(at) else { return };
        if item.asleep {
            state.sleeping = state.sleeping.saturating_sub(1);
            state.ready.remove(&item.index);
        } else {
            state.running = state.running.saturating_sub(1);
        }
        match done {
            true => state.done += 1,
            false => state.failed += 1,
        }
        match done {
            true => self.state.counters.items_done += 1,
            false => self.state.counters.items_failed += 1,
        }
        self.touch_run();
        self.wake(&at.instance);
    }
}

fn window(at: &At<'_>) -> u64 {
    u64::from(at.scope.flow.settings.concurrency).max(WINDOW_MIN)
}

pub(crate) fn gather(at: &At<'_>) -> Command {
    Command::Gather(Gather { instance: at.instance.clone(), step: at.path(), of: GatherOf::Yields })
}

/// The key as it stands in an item's path.
fn item_key(path: &Path) -> &str {
    let text = path.as_str();
    text.rsplit_once('[').map_or(text, |(_, key)| key.trim_end_matches(']'))
}
