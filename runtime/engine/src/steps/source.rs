//! Rows from outside: a source bound to a name, and the pulls of a loop that streams one.

use crate::failures;
use crate::retry::{self, Next};
use crate::state::{ReadState, StepState};
use crate::step_records::Detail;
use crate::steps::backoff_purpose;
use crate::stream::Stages;
use crate::turn::{At, Turn};
use crate::write::StepStatus;
use crate::{Command, Pull, ResolvedSource, Row};
use pmflow_plan::{Failure, Source, SourceFrom, Stage, StepKind, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Of one pull, where the author says nothing.
const TIMEOUT_MS: u64 = 120_000;

impl<'a> Turn<'a> {
    pub fn start_source(&mut self, at: &At<'a>, source: &'a Source) {
        if source.streamed {
            // The one loop that uses it pulls the rows.
            return self.done(at, None);
        }
        self.enter(at, StepState::Read(ReadState { pull: 0, tried: 0, backoff: None }));
        self.read_source(at);
    }

    pub fn read_source(&mut self, at: &At<'a>) {
        if let Some(StepState::Read(state)) = self.step_state(at) {
            state.pull += 1;
            state.backoff = None;
        }
        self.next_attempt(at);
        match self.read_command(at) {
            Ok(command) => self.commands.push(command),
            Err(failure) => {
                self.record(at, StepStatus::Failed, Detail { failure: Some(failure.clone()), ..Detail::default() });
                self.fail(at, failure, true);
            }
        }
    }

    pub fn read_command(&self, at: &At<'a>) -> Result<Command, Failure> {
        let StepKind::Source(source) = &at.step.kind else { return Err(failures::damaged_plan(&at.path())) };
        let pull = match self.entry(at).map(|entry| &entry.state) {
            Some(StepState::Read(state)) => state.pull,
            _ => 0,
        };
        let stages = Stages { read_limit: source.limit, now: self.state.clock(), ..Stages::default() };
        let (rows_max, read_max) = (u64::MAX, u64::MAX);
        let cursor = None;
        Ok(Command::ReadSource(Pull {
            instance: at.instance.clone(),
            step: at.path(),
            pull,
            name: at.step.name.clone(),
            source: self.resolved(at, source)?,
            cursor,
            rows_max,
            read_max,
            stages,
            timeout_ms: source.timeout_ms.unwrap_or(TIMEOUT_MS),
        }))
    }

    pub fn source_read(&mut self, at: &At<'a>, source: &'a Source, rows: Vec<Row>) {
        let limit = source.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let rows: Result<Vec<Value>, Failure> = rows.into_iter().take(limit).map(|row| row.value).collect();
        match rows {
            Ok(rows) => {
                let count = Value::Int(i64::try_from(rows.len()).unwrap_or(i64::MAX));
                self.state.counters.rows_read += rows.len() as u64;
                self.record(at, StepStatus::Done, Detail { result: Some(count), ..Detail::default() });
                self.done(at, Some(Value::list(rows)));
            }
            Err(failure) => self.source_failed(at, source, failure),
        }
    }

    pub fn source_failed(&mut self, at: &At<'a>, source: &'a Source, failure: Failure) {
        let Some(StepState::Read(state)) = self.entry(at).map(|entry| entry.state.clone()) else { return };
        let detail = Detail { failure: Some(failure.clone()), ..Detail::default() };
        match self.next_read(at, source, &failure, state.tried) {
            Next::PutOff { delay_ms } | Next::Again { delay_ms } => {
                self.record(at, StepStatus::Retried, detail);
                let until = self.after_ms(delay_ms);
                self.enter(at, StepState::Read(ReadState { tried: state.tried + 1, backoff: Some(until), ..state }));
                self.start_timer(at, &backoff_purpose(until), until);
            }
            Next::Exhausted => {
                self.record(at, StepStatus::Failed, detail);
                self.fail(at, failure, true);
            }
        }
    }

    /// Reads cost nothing and change nothing, so being put off counts like any other try, up to the larger of the two.
    pub fn next_read(&self, at: &At<'a>, source: &Source, failure: &Failure, tried: u32) -> Next {
        let seed = format!("{} {}", self.state.id, at.path());
        retry::next(failure, source.retry.as_ref(), tried, (tried, retry::PUT_OFF_MAX_OF_LAST), &seed)
    }

    pub fn resolved(&self, at: &At<'a>, source: &'a Source) -> Result<ResolvedSource, Failure> {
        let row = source.row.clone();
        match &source.from {
            SourceFrom::File(file) => {
                let path = self.evaluate(at, &file.path)?.to_text().into();
                Ok(ResolvedSource::File { format: file.format.clone(), path, row })
            }
            SourceFrom::Operation { operation: name, arguments } => {
                let operation = self.plan.operations.get(name).ok_or_else(|| failures::missing("operation", name))?;
                let arguments = self.arguments(at, arguments, &operation.parameters)?;
                Ok(ResolvedSource::Operation { operation: name.clone(), arguments, row })
            }
        }
    }

    /// The stages of a loop with what they name.
    pub fn stages(&self, at: &At<'a>, stages: &[Stage]) -> Stages {
        let mut names: BTreeSet<&str> = BTreeSet::new();
        for stage in stages {
            if let Stage::Filter(lambda) | Stage::Map(lambda) = stage {
                names.extend(lambda.body.variables());
            }
        }
        let mut variables = BTreeMap::new();
        let mut next = self.state.instances.get(&at.instance);
        while let Some(instance) = next.filter(|_| !names.is_empty()) {
            for (name, value) in instance.memory.bindings.iter().filter(|(name, _)| names.contains(&***name)) {
                variables.entry(name.to_string()).or_insert_with(|| value.clone());
            }
            next = instance.surrounding().and_then(|path| self.state.instances.get(path));
        }
        Stages { stages: Arc::new(stages.to_vec()), variables: Arc::new(variables), now: self.state.clock(), ..Stages::default() }
    }
}

pub(crate) const PULL_TIMEOUT_MS: u64 = TIMEOUT_MS;
