//! Flows in force, what starts runs of them, and alerts on their way to the destinations.

use crate::faults::Place;
use pmflow_engine::Time;
use pmflow_store::tables::decode::{small, unsigned};
use pmflow_store::tables::rows::{json_text, pico};
use pmflow_store::tables::triggers::{DeploymentColumns, TriggerColumns};
use pmflow_store::{AlertDelivery, Deployed, Deployment, Recorded, Recording, StoreError, Trigger, TriggerChange, alert_columns};
use sqlx::{SqliteConnection, SqlitePool, query_file, query_file_as, query_file_scalar};
use std::time::Duration;

/// What a caller wants written.
pub(crate) enum TriggerWork {
    Deploy(Deployment),
    Undeploy(String),
    Deployments,
    Pause { flow: String, paused: bool },
    Record(Recording),
    Change(TriggerChange),
    TakeAlerts { destinations: Vec<String>, hold: Duration },
    SettleAlert { alert: i64, destination: String, failed: Option<(String, Duration)> },
}

/// What came of it.
pub(crate) enum TriggerDone {
    Done,
    Changed(bool),
    Deployments(Vec<Deployed>),
    Recorded(Recorded),
    Taken(Vec<AlertDelivery>),
}

/// The part that writes, within the writer's transaction.
pub(crate) struct TriggerWriter<'c> {
    pub connection: &'c mut SqliteConnection,
    pub place: &'c Place,
}

impl TriggerWriter<'_> {
    pub async fn apply(&mut self, work: &TriggerWork) -> Result<TriggerDone, StoreError> {
        match work {
            TriggerWork::Deploy(deployment) => self.deploy(deployment).await.map(|()| TriggerDone::Done),
            TriggerWork::Undeploy(flow) => self.undeploy(flow).await.map(TriggerDone::Changed),
            TriggerWork::Deployments => self.deployments().await.map(TriggerDone::Deployments),
            TriggerWork::Pause { flow, paused } => self.pause(flow, *paused).await.map(TriggerDone::Changed),
            TriggerWork::Record(recording) => self.record(recording).await.map(TriggerDone::Recorded),
            TriggerWork::Change(change) => self.change(change).await.map(TriggerDone::Changed),
            TriggerWork::TakeAlerts { destinations, hold } => self.take_alerts(destinations, *hold).await.map(TriggerDone::Taken),
            TriggerWork::SettleAlert { alert, destination, failed } => {
                self.settle_alert(*alert, destination, failed.as_ref()).await.map(|()| TriggerDone::Done)
            }
        }
    }

    async fn deploy(&mut self, deployment: &Deployment) -> Result<(), StoreError> {
        let Deployment { flow, plan, body, by } = deployment;
        let put = query_file!("queries/deployment_put.sql", flow, plan.0, body, by);
        put.execute(&mut *self.connection).await.map(|_| ()).map_err(|error| self.place.error(error))
    }

    async fn undeploy(&mut self, flow: &str) -> Result<bool, StoreError> {
        let failed = |error| self.place.error(error);
        query_file!("queries/triggers_drop.sql", flow).execute(&mut *self.connection).await.map_err(failed)?;
        let drop = query_file!("queries/deployment_drop.sql", flow).execute(&mut *self.connection).await;
        Ok(drop.map_err(failed)?.rows_affected() > 0)
    }

    async fn deployments(&mut self) -> Result<Vec<Deployed>, StoreError> {
        let failed = |error| self.place.error(error);
        query_file!("queries/triggers_ended.sql").execute(&mut *self.connection).await.map_err(failed)?;
        let rows = query_file_as!(DeploymentColumns, "queries/deployments_list.sql").fetch_all(&mut *self.connection).await;
        Ok(rows.map_err(failed)?.into_iter().map(DeploymentColumns::deployed).collect())
    }

    async fn pause(&mut self, flow: &str, paused: bool) -> Result<bool, StoreError> {
        let pause = query_file!("queries/deployment_pause.sql", flow, paused).execute(&mut *self.connection).await;
        Ok(pause.map_err(|error| self.place.error(error))?.rows_affected() > 0)
    }

    async fn record(&mut self, recording: &Recording) -> Result<Recorded, StoreError> {
        let flow = &recording.flow;
        let failed = |error| self.place.error(error);
        let read = query_file_scalar!("queries/deployment_get.sql", flow).fetch_optional(&mut *self.connection).await;
        let Some(decided_until) = read.map_err(failed)? else { return Ok(Recorded::NotDeployed) };
        if let Some((from, until)) = recording.decided {
            if decided_until != from {
                return Ok(Recorded::Overtaken);
            }
            let decided = query_file!("queries/deployment_decided.sql", flow, until).execute(&mut *self.connection).await;
            decided.map_err(failed)?;
        }
        if let (Some(most), Some(first)) = (recording.per_day_max, recording.triggers.first()) {
            if let Some(known) = self.known(first).await? {
                return Ok(Recorded::Known(Box::new(known)));
            }
            let taken = query_file_scalar!("queries/triggers_today.sql", flow).fetch_one(&mut *self.connection).await;
            let taken = unsigned(taken.map_err(failed)?);
            if taken >= most {
                return Ok(Recorded::Full(taken));
            }
        }
        for trigger in &recording.triggers {
            self.add(trigger).await?;
        }
        Ok(Recorded::Done)
    }

    async fn known(&mut self, trigger: &Trigger) -> Result<Option<Trigger>, StoreError> {
        let (flow, kind, key) = (&trigger.flow, trigger.kind.name(), &trigger.key);
        let row = query_file_as!(TriggerColumns, "queries/trigger_get.sql", flow, kind, key);
        let row = row.fetch_optional(&mut *self.connection).await.map_err(|error| self.place.error(error))?;
        row.map(|row| row.trigger().map_err(|detail| self.place.unreadable(detail))).transpose()
    }

    async fn add(&mut self, trigger: &Trigger) -> Result<(), StoreError> {
        let Trigger { flow, kind, key, at, local, start_at, batch, state, reason, run, recorded_at: _ } = trigger;
        let budget = batch.as_ref().map(|batch| pico("budget", batch.budget)).transpose()?;
        let (kind, state, batch) = (kind.name(), state.name(), batch.as_ref().map(|batch| batch.name.as_str()));
        let run = run.as_ref().map(|run| &*run.0);
        let add = query_file!("queries/trigger_add.sql", flow, kind, key, at, local, start_at, batch, budget, state, reason, run);
        add.execute(&mut *self.connection).await.map(|_| ()).map_err(|error| self.place.error(error))
    }

    async fn change(&mut self, change: &TriggerChange) -> Result<bool, StoreError> {
        let TriggerChange { flow, kind, key, from, to, reason, run } = change;
        let (kind, from, to, run) = (kind.name(), from.name(), to.name(), run.as_ref().map(|run| &*run.0));
        let change = query_file!("queries/trigger_change.sql", flow, kind, key, from, to, reason, run);
        let changed = change.execute(&mut *self.connection).await.map_err(|error| self.place.error(error))?;
        Ok(changed.rows_affected() > 0)
    }

    async fn take_alerts(&mut self, destinations: &[String], hold: Duration) -> Result<Vec<AlertDelivery>, StoreError> {
        let failed = |error| self.place.error(error);
        let given = json_text(destinations);
        query_file!("queries/deliveries_gone.sql", given).execute(&mut *self.connection).await.map_err(failed)?;
        query_file!("queries/deliveries_make.sql", given).execute(&mut *self.connection).await.map_err(failed)?;
        query_file!("queries/alerts_delivered.sql").execute(&mut *self.connection).await.map_err(failed)?;
        let due = query_file!("queries/deliveries_due.sql").fetch_all(&mut *self.connection).await.map_err(failed)?;
        let mut taken = Vec::with_capacity(due.len());
        for row in due {
            let (destination, hold) = (row.destination.clone(), micros(hold));
            let take = query_file!("queries/delivery_taken.sql", row.alert_id, destination, hold);
            take.execute(&mut *self.connection).await.map_err(failed)?;
            let tries = small(row.tries).saturating_add(1);
            let alert = alert_columns!(row).alert().map_err(|detail| self.place.unreadable(detail))?;
            taken.push(AlertDelivery { alert, destination, tries });
        }
        Ok(taken)
    }

    async fn settle_alert(
        &mut self,
        alert: i64,
        destination: &str,
        failed: Option<&(String, Duration)>,
    ) -> Result<(), StoreError> {
        let (failure, again_after) = failed.map_or((None, 0), |(reason, after)| (Some(reason.as_str()), micros(*after)));
        let settle = query_file!("queries/delivery_settle.sql", alert, destination, failure, again_after);
        settle.execute(&mut *self.connection).await.map(|_| ()).map_err(|error| self.place.error(error))
    }
}

pub(crate) async fn list(
    readers: &SqlitePool,
    place: &Place,
    flow: Option<&str>,
    open_only: bool,
    rows_max: u32,
) -> Result<Vec<Trigger>, StoreError> {
    let rows = if open_only {
        query_file_as!(TriggerColumns, "queries/triggers_open.sql", flow, rows_max).fetch_all(readers).await
    } else {
        query_file_as!(TriggerColumns, "queries/triggers_list.sql", flow, rows_max).fetch_all(readers).await
    };
    let rows = rows.map_err(|error| place.error(error))?;
    rows.into_iter().map(|row| row.trigger().map_err(|detail| place.unreadable(detail))).collect()
}

fn micros(time: Duration) -> Time {
    Time::try_from(time.as_micros()).unwrap_or(Time::MAX / 2)
}
