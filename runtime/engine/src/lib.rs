//! One run as a value: load it, apply an event, commit what it wrote, dispatch what it asks for.
//!
//! The engine knows no clock, no file, no socket and no randomness. [`Run::apply`] is total and deterministic, and a
//! stale or repeated event changes nothing. A [`Transition`] is committed whole, and only then are its commands
//! dispatched; every command can be derived again from the stored rows, so a crash in between loses nothing.
//!
//! A run is a tree of *instances*: the root flow, each item of a loop and each called flow are one instance with one
//! small row. Blocks nested inside one (`if`, `match`, `repeat`, `parallel`, the `else` of an approval) live in its state.
//! A finished instance leaves memory; a loop keeps counters and a window, so its state does not grow with its fan-out.
//!
//! ```text
//! Run::new(plan: Arc<Plan>, plan_id: PlanId, id: RunId, input: Value, options: RunOptions, now: Time) -> (Run, Transition)
//! Run::apply(&mut self, now: Time, event: Event) -> Transition
//! Run::recover(plan: Arc<Plan>, stored: Stored, options: RunOptions, now: Time) -> Result<(Run, Transition), RecoverError>
//! Run::outstanding(&self) -> Vec<Command>
//! ```
//!
//! A recovery is a transition as well: money held for calls that a dead worker may or may not have sent becomes
//! *unknown*, and they are sent again under a new hold. What it returns is committed like any other transition.

pub mod command;
pub mod event;
pub mod path;
pub mod prompts;
pub mod recover;
pub mod run;
pub mod schedule;
pub mod stream;
pub mod write;

mod batches;
mod endings;
mod expressions;
mod failures;
mod holds;
mod keys;
mod owed;
mod retry;
mod state;
mod step_records;
mod steps;
mod transitions;
mod turn;
mod turns;

pub use command::{
    Admission, ApprovalRequest, BatchedCall, CacheLookup, CallId, Command, Gather, GatherOf, Message, ModelCall, OperationCall,
    ProviderBatch, Pull, Recall, ResolvedSource, RunEnd, Timer, TimerId, TurnRequest,
};
pub use event::{BudgetAnswer, Event, Finish, Row, Shortage};
pub use path::{Path, RunId};
pub use recover::RecoverError;
pub use run::{Run, RunOptions};
pub use state::Origin;
pub use write::{
    ApprovalRow, BindingRow, Counters, InstanceEnd, InstanceRow, InstanceStatus, LedgerRow, OutputRow, RunRow, RunStatus,
    StepRow, StepStatus, Stored, Write,
};

/// Microseconds since 1970-01-01T00:00:00Z.
pub type Time = i64;

/// What one event led to. The host commits `writes` in order and in one transaction (with other runs', if it likes),
/// and dispatches `commands` after the commit. Empty when the event was stale or repeated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transition {
    pub writes: Vec<Write>,
    pub commands: Vec<Command>,
}

impl Transition {
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.commands.is_empty()
    }
}
