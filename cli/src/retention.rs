//! How long runs are kept: `[retention]` of `pmflow.toml`.

use crate::store::AnyStore;
use pmflow_engine::Time;
use pmflow_store::{LEDGER_KEPT, Prune, Pruned, Store as _, StoreError};
use serde::de::{Deserialize as _, Deserializer, Error as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What one transaction touches, about: other writers wait that long.
const ROWS_MAX: u32 = 2000;
const EVERY: Duration = Duration::from_secs(3600);

/// Ages; none: nothing of that kind is pruned by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    #[serde(default, deserialize_with = "age")]
    pub payloads: Option<Duration>,
    #[serde(default, deserialize_with = "age")]
    pub runs: Option<Duration>,
    /// As `runs`, and at least 13 months, when not given.
    #[serde(default, deserialize_with = "ledger_age")]
    pub ledger: Option<Duration>,
}

impl Retention {
    pub fn is_empty(&self) -> bool {
        self.payloads.is_none() && self.runs.is_none()
    }

    /// By a clock, which is the database's.
    pub fn prune(&self, now: Time, flow: Option<String>) -> Prune {
        let before = |age: Duration| now.saturating_sub(Time::try_from(age.as_micros()).unwrap_or(Time::MAX));
        Prune {
            flow,
            payloads_before: self.payloads.map(before),
            runs_before: self.runs.map(before),
            ledger_before: self.ledger.map(before),
        }
    }

    /// Prunes once an hour until it is told to stop. Several processes may: on one server, one at a time does.
    pub async fn keep(self, store: Arc<AnyStore>, mut stop: watch::Receiver<bool>) {
        while !self.is_empty() && !*stop.borrow() {
            match self.once(&store, &stop).await {
                Ok(Pruned { emptied: 0, removed: 0, rows: 0, .. }) => {}
                Ok(pruned) => tracing::info!(emptied = pruned.emptied, removed = pruned.removed, rows = pruned.rows, "pruned"),
                Err(error) => tracing::warn!(%error, "what is old could not be pruned; it is tried again in an hour"),
            }
            // An error says that nobody can tell it to stop any more.
            let _ = tokio::time::timeout(EVERY, stop.wait_for(|stop| *stop)).await;
        }
    }

    async fn once(&self, store: &AnyStore, stop: &watch::Receiver<bool>) -> Result<Pruned, StoreError> {
        let what = self.prune(store.clock().await?, None);
        sweep(store, &what, || *stop.borrow()).await
    }
}

/// Piece by piece, until all is done or it is told to stop; then nothing is half done but for what the next sweep goes on with.
pub async fn sweep(store: &AnyStore, what: &Prune, stop: impl Fn() -> bool) -> Result<Pruned, StoreError> {
    let mut sum = Pruned::default();
    while !sum.is_done && !stop() {
        sum = sum.and(store.prune(what, ROWS_MAX).await?);
    }
    Ok(sum)
}

/// An age as people write it: `90m`, `12h`, `30d`, `8w`.
pub fn parse_age(text: &str) -> Result<Duration, String> {
    let units = [("m", 60), ("h", 3600), ("d", 86_400), ("w", 604_800)];
    let example = "write 12h, 30d, 8w";
    let parsed = units.iter().find_map(|(suffix, seconds)| Some((text.strip_suffix(suffix)?.trim(), *seconds)));
    let Some((digits, seconds)) = parsed else { return Err(format!("`{text}` is no age; {example}")) };
    if digits.starts_with('-') {
        return Err(format!("an age cannot be negative, as `{text}` is; {example}"));
    }
    match digits.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds)) {
        Some(0) => Err(format!("an age of `{text}` would leave nothing; {example}")),
        Some(seconds) if seconds <= LONGEST_SECONDS => Ok(Duration::from_secs(seconds)),
        Some(_) => Err(format!("`{text}` is longer than a hundred years; leave the setting out to keep everything")),
        None => Err(format!("`{text}` is no age; {example}")),
    }
}

const LONGEST_SECONDS: u64 = 100 * 366 * 86_400;

fn age<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_age(&text).map(Some).map_err(D::Error::custom)
}

fn ledger_age<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let ledger = age(deserializer)?;
    match ledger {
        Some(age) if age < LEDGER_KEPT => Err(D::Error::custom(format!(
            "the ledger is kept at least 13 months ({}d): what was spent must stay accountable; leave `ledger` out, or write a longer age",
            LEDGER_KEPT.as_secs() / 86_400
        ))),
        _ => Ok(ledger),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_read_or_refused_with_a_reason() {
        assert_eq!(parse_age("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(parse_age("12h"), Ok(Duration::from_secs(12 * 3600)));
        for (text, part) in [
            ("0d", "leave nothing"),
            ("-3d", "negative"),
            ("30", "no age"),
            ("d", "no age"),
            ("three days", "no age"),
            ("99999999w", "hundred years"),
            ("99999999999999999999d", "no age"),
        ] {
            let refused = parse_age(text).expect_err("it is no age");
            assert!(refused.contains(part), "{text}: {refused}");
        }
    }

    #[test]
    fn settings_are_refused_with_a_reason() {
        let read = |text: &str| toml::from_str::<Retention>(text).map_err(|error| error.message().to_owned());
        let kept = read("payloads = \"30d\"\nruns = \"400d\"").expect("they are well-formed");
        assert!(!kept.is_empty());
        let now = 1_800_000_000_000_000;
        assert_eq!(kept.prune(now, None).payloads_before, Some(now - 30 * 86_400_000_000));
        assert!(read("ledger = \"396d\"").expect_err("it is too short").contains("13 months (397d)"));
        assert!(read("ledger = \"397d\"").is_ok());
        assert!(read("payloads = \"0d\"").expect_err("it is nothing").contains("leave nothing"));
        assert!(read("payload = \"30d\"").expect_err("it is unknown").contains("unknown field"));
    }
}
