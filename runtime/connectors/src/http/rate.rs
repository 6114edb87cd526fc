//! Rate limits of connectors, kept within this process.

use pmflow_plan::{Connector, Failure, FailureClass, RateLimit};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Requests remembered at most; a larger limit is kept in proportion.
const REMEMBERED_MAX: u64 = 10_000;

/// For each connector the times of its last requests. In no stretch of the period are more sent than allowed, which a
/// bucket that refills while it is emptied does not promise.
#[derive(Debug, Default)]
pub(super) struct RateLimits {
    sent: Mutex<BTreeMap<String, VecDeque<Instant>>>,
}

impl RateLimits {
    /// Waits for the next free slot and takes it. When none is free before the deadline, fails at once with what to wait.
    pub async fn take(&self, connector: &Connector, deadline: Instant) -> Result<(), Failure> {
        let Some(limit) = connector.rate.filter(|limit| limit.requests > 0) else {
            return Ok(());
        };
        let slot = self.reserve(&connector.name, limit, deadline)?;
        tokio::time::sleep_until(slot.into()).await;
        Ok(())
    }

    fn reserve(&self, name: &str, limit: RateLimit, deadline: Instant) -> Result<Instant, Failure> {
        let requests = limit.requests.min(REMEMBERED_MAX);
        let period = Duration::from_millis(limit.per_ms).mul_f64(requests as f64 / limit.requests as f64);
        let mut all = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = all.entry(name.to_owned()).or_default();
        let now = Instant::now();
        let slot =
            if (sent.len() as u64) < requests { now } else { sent.front().map_or(now, |first| (*first + period).max(now)) };
        if slot > deadline {
            let wait = u64::try_from((slot - now).as_millis()).unwrap_or(u64::MAX);
            let message = format!(
                "`{name}` takes {} requests per {} ms, and all slots are taken until the timeout",
                limit.requests, limit.per_ms
            );
            return Err(Failure::not_sent(FailureClass::RateLimit, message).retry_after_ms(Some(wait)));
        }
        if sent.len() as u64 >= requests {
            sent.pop_front();
        }
        sent.push_back(slot);
        Ok(slot)
    }
}
