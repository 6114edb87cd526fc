//! Alerts on their way to the destinations.

use crate::faults::Place;
use pmflow_engine::Time;
use pmflow_store::tables::decode::small;
use pmflow_store::{AlertDelivery, StoreError, alert_columns};
use sqlx::{PgPool, query_file};
use std::time::Duration;

pub(crate) async fn take(
    pool: &PgPool,
    place: &Place,
    destinations: &[String],
    hold: Duration,
) -> Result<Vec<AlertDelivery>, StoreError> {
    let failed = |error| place.error(error);
    query_file!("queries/deliveries_make.sql", destinations).execute(pool).await.map_err(failed)?;
    query_file!("queries/alerts_delivered.sql").execute(pool).await.map_err(failed)?;
    let taken = query_file!("queries/deliveries_take.sql", micros(hold)).fetch_all(pool).await.map_err(failed)?;
    let mut deliveries = Vec::with_capacity(taken.len());
    for row in taken {
        let (destination, tries) = (row.destination, small(row.tries));
        let alert = alert_columns!(row).alert().map_err(|detail| place.unreadable(detail))?;
        deliveries.push(AlertDelivery { alert, destination, tries });
    }
    Ok(deliveries)
}

pub(crate) async fn settle(
    pool: &PgPool,
    place: &Place,
    alert: i64,
    destination: &str,
    failed: Option<&(String, Duration)>,
) -> Result<(), StoreError> {
    let (failure, again_after) = failed.map_or((None, 0), |(reason, after)| (Some(reason.as_str()), micros(*after)));
    let settle = query_file!("queries/delivery_settle.sql", alert, destination, failure, again_after);
    settle.execute(pool).await.map(|_| ()).map_err(|error| place.error(error))
}

fn micros(time: Duration) -> Time {
    Time::try_from(time.as_micros()).unwrap_or(Time::MAX / 2)
}
