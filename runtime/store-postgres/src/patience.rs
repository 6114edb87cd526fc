//! Waiting for a server that is away: restarted, failed over, or out of reach for a moment.

use pmflow_store::StoreError;
use std::time::{Duration, Instant};

const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How much longer one request waits.
#[derive(Debug)]
pub(crate) struct Patience {
    until: Instant,
    pause: Duration,
}

impl Patience {
    pub fn of(time: Duration) -> Patience {
        Patience { until: Instant::now() + time, pause: PAUSE_MIN }
    }

    /// Waits a moment, or gives the error back: when it will not pass, or when patience is over.
    pub async fn wait(&mut self, error: StoreError) -> Result<(), StoreError> {
        if !may_pass(&error) || Instant::now() + self.pause > self.until {
            return Err(error);
        }
        tracing::debug!(%error, "the database is asked again");
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        Ok(())
    }
}

/// Whether the same request may succeed in a moment.
pub(crate) fn may_pass(error: &StoreError) -> bool {
    matches!(error, StoreError::Unreachable { .. } | StoreError::Locked { .. })
}
