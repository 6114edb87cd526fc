//! Hints that there is something to claim: a run that was left to the workers, or something asked of one.

use crate::open::PostgresOptions;
use sqlx::postgres::PgListener;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::watch;

/// As `NOTIFY` in `queries/` names it.
const CHANNEL: &str = "pmflow_news";
/// Between two tries to listen. Who waits looks on its own meanwhile.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(crate) struct News {
    options: PostgresOptions,
    /// Made when somebody first waits: most processes never do, and it takes a connection.
    heard: Arc<OnceLock<watch::Receiver<u64>>>,
}

impl News {
    pub fn of(options: &PostgresOptions) -> News {
        News { options: options.clone(), heard: Arc::new(OnceLock::new()) }
    }

    pub async fn wait(&self, time_max: Duration) {
        let mut heard = self.heard.get_or_init(|| listening(self.options.clone())).clone();
        heard.mark_unchanged();
        // Time over, or nobody listens any more: either way the caller looks.
        let _ = tokio::time::timeout(time_max, heard.changed()).await;
    }
}

fn listening(options: PostgresOptions) -> watch::Receiver<u64> {
    let (tell, heard) = watch::channel(0);
    tokio::spawn(async move {
        while !tell.is_closed() {
            if let Err(error) = listen(&options, &tell).await {
                tracing::debug!(%error, "not listening");
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    });
    heard
}

async fn listen(options: &PostgresOptions, tell: &watch::Sender<u64>) -> Result<(), sqlx::Error> {
    let pool = sqlx::postgres::PgPoolOptions::new().max_connections(1).connect_with(options.connect()).await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(CHANNEL).await?;
    while listener.try_recv().await?.is_some() {
        tell.send_modify(|count| *count = count.wrapping_add(1));
    }
    Ok(())
}
