//! Failures that the engine itself finds.

use crate::Path;
use pmflow_ledger::Account;
use pmflow_plan::{Failure, FailureClass, Money};

pub(crate) fn expression(what: &str, reason: impl std::fmt::Display) -> Failure {
    Failure::not_sent(FailureClass::Expression, format!("{what} could not be worked out: {reason}"))
}

pub(crate) fn damaged_plan(path: &Path) -> Failure {
    Failure::not_sent(FailureClass::InvalidInput, format!("`{path}` is not in the plan that this run is pinned to"))
}

pub(crate) fn missing(kind: &str, name: &str) -> Failure {
    Failure::not_sent(FailureClass::InvalidInput, format!("the plan has no {kind} `{name}`"))
}

pub(crate) fn too_deep() -> Failure {
    Failure::not_sent(FailureClass::InvalidInput, "steps are nested deeper than a run can follow")
}

pub(crate) fn process_died() -> Failure {
    Failure::unknown(
        FailureClass::UnknownOutcome,
        "the process ended while this call was under way, so nobody knows whether it was answered; it is made again",
    )
}

pub(crate) fn batch_given_up() -> Failure {
    Failure::unknown(
        FailureClass::UnknownOutcome,
        "the run was cancelled while a provider had this call in a batch, so nobody knows whether it was answered",
    )
}

pub(crate) fn timed_out(what: &str, milliseconds: u64) -> Failure {
    Failure::not_sent(FailureClass::Timeout, format!("{what} did not end within its timeout of {}", duration(milliseconds)))
}

pub(crate) fn duplicate_key(key: &str) -> Failure {
    Failure::not_sent(
        FailureClass::InvalidInput,
        format!("another item of this loop has the key `{key}` already; every item needs a key of its own"),
    )
}

pub(crate) fn too_many_items(most: u64) -> Failure {
    Failure::not_sent(FailureClass::InvalidInput, format!("the loop has more than the {most} items that the plan allows"))
}

pub(crate) fn budget(prompt: &str, hold: Option<Money>, left: Option<Money>) -> Failure {
    let asked = hold.map_or_else(|| "an amount beyond all numbers".to_owned(), |hold| hold.to_string());
    let left = left.map_or_else(|| "nothing".to_owned(), |left| left.to_string());
    Failure::not_sent(
        FailureClass::Budget,
        format!("`{prompt}` may cost {asked} and {left} of the run's budget is left; raise the budget and resume the run"),
    )
}

/// Its budget refuses a call that does not fit beside what is held for others.
pub(crate) fn no_room(prompt: &str, hold: Money, left: Option<Money>) -> Failure {
    let left = left.map_or_else(|| "nothing".to_owned(), |left| left.to_string());
    Failure::not_sent(
        FailureClass::Budget,
        format!("`{prompt}` may cost {hold} and {left} of the run's budget is free; the flow refuses such a call (`when_short`)"),
    )
}

/// The run's only limit is its ceiling, and calls of unknown outcome or made again have used it up.
pub(crate) fn ceiling(prompt: &str, hold: Option<Money>, account: &Account) -> Failure {
    let asked = hold.map_or_else(|| "an amount beyond all numbers".to_owned(), |hold| hold.to_string());
    let left = account.available().unwrap_or(Money::ZERO);
    let unknown = match account.unknown {
        Money::ZERO => String::new(),
        unknown => format!(" ({unknown} of it is for calls whose outcome nobody knows)"),
    };
    Failure::not_sent(
        FailureClass::Budget,
        format!(
            "`{prompt}` may cost {asked} and {left} of the run's proven ceiling is left{unknown}; calls that are made again \
             after a crash or a failure count as well. Nothing above the ceiling is sent unless you allow it: resume the run \
             with a higher limit"
        ),
    )
}

fn duration(milliseconds: u64) -> String {
    match milliseconds {
        ms if ms % 3_600_000 == 0 => format!("{} h", ms / 3_600_000),
        ms if ms % 60_000 == 0 => format!("{} min", ms / 60_000),
        ms if ms % 1000 == 0 => format!("{} s", ms / 1000),
        ms => format!("{ms} ms"),
    }
}
