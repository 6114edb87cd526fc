//! Flows in force, and what starts runs of them.

use crate::faults::Place;
use crate::text::stored;
use pmflow_store::tables::decode::unsigned;
use pmflow_store::tables::rows::pico;
use pmflow_store::tables::triggers::{DeploymentColumns, TriggerColumns};
use pmflow_store::{Deployed, Deployment, Recorded, Recording, StoreError, Trigger, TriggerChange, TriggerKind};
use sqlx::{PgConnection, PgPool, query_file, query_file_as, query_file_scalar};

#[derive(Clone, Copy)]
pub(crate) struct Triggers<'s> {
    pub pool: &'s PgPool,
    pub place: &'s Place,
}

impl Triggers<'_> {
    pub async fn deploy(&self, deployment: &Deployment) -> Result<(), StoreError> {
        let Deployment { flow, plan, body, by } = deployment;
        let put = query_file!("queries/deployment_put.sql", flow, plan.0, body, by);
        put.execute(self.pool).await.map(|_| ()).map_err(|error| self.place.error(error))
    }

    pub async fn undeploy(&self, flow: &str) -> Result<bool, StoreError> {
        let drop = query_file!("queries/deployment_drop.sql", flow).execute(self.pool).await;
        Ok(drop.map_err(|error| self.place.error(error))?.rows_affected() > 0)
    }

    pub async fn deployments(&self) -> Result<Vec<Deployed>, StoreError> {
        query_file!("queries/triggers_ended.sql").execute(self.pool).await.map_err(|error| self.place.error(error))?;
        let rows = query_file_as!(DeploymentColumns, "queries/deployments_list.sql").fetch_all(self.pool).await;
        Ok(rows.map_err(|error| self.place.error(error))?.into_iter().map(DeploymentColumns::deployed).collect())
    }

    pub async fn pause(&self, flow: &str, paused: bool) -> Result<bool, StoreError> {
        let pause = query_file!("queries/deployment_pause.sql", flow, paused).execute(self.pool).await;
        Ok(pause.map_err(|error| self.place.error(error))?.rows_affected() > 0)
    }

    pub async fn record(&self, recording: &Recording) -> Result<Recorded, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(|error| self.place.error(error))?;
        let recorded = self.record_within(&mut transaction, recording).await?;
        transaction.commit().await.map_err(|error| self.place.error(error))?;
        Ok(recorded)
    }

    /// The lock on the deployment puts whoever records triggers of one flow one after the other.
    async fn record_within(&self, connection: &mut PgConnection, recording: &Recording) -> Result<Recorded, StoreError> {
        let flow = &recording.flow;
        let failed = |error| self.place.error(error);
        let locked = query_file_scalar!("queries/deployment_locked.sql", flow).fetch_optional(&mut *connection).await;
        let Some(decided_until) = locked.map_err(failed)? else { return Ok(Recorded::NotDeployed) };
        if let Some((from, until)) = recording.decided {
            if decided_until != from {
                return Ok(Recorded::Overtaken);
            }
            query_file!("queries/deployment_decided.sql", flow, until).execute(&mut *connection).await.map_err(failed)?;
        }
        if let (Some(most), Some(first)) = (recording.per_day_max, recording.triggers.first()) {
            if let Some(known) = self.known(connection, first).await? {
                return Ok(Recorded::Known(Box::new(known)));
            }
            let taken = query_file_scalar!("queries/triggers_today.sql", flow).fetch_one(&mut *connection).await;
            let taken = unsigned(taken.map_err(failed)?);
            if taken >= most {
                return Ok(Recorded::Full(taken));
            }
        }
        for trigger in &recording.triggers {
            self.add(connection, trigger).await?;
        }
        Ok(Recorded::Done)
    }

    async fn known(&self, connection: &mut PgConnection, trigger: &Trigger) -> Result<Option<Trigger>, StoreError> {
        let (flow, kind, key) = (&trigger.flow, trigger.kind.name(), &*stored(&trigger.key));
        let row = query_file_as!(TriggerColumns, "queries/trigger_get.sql", flow, kind, key).fetch_optional(connection).await;
        row.map_err(|error| self.place.error(error))?.map(|row| self.read(row)).transpose()
    }

    async fn add(&self, connection: &mut PgConnection, trigger: &Trigger) -> Result<(), StoreError> {
        let Trigger { flow, kind, key, at, local, start_at, batch, state, reason, run, recorded_at: _ } = trigger;
        let budget = batch.as_ref().map(|batch| pico("budget", batch.budget)).transpose()?;
        let add = query_file!(
            "queries/trigger_add.sql",
            flow,
            kind.name(),
            &*stored(key),
            at,
            local,
            start_at,
            batch.as_ref().map(|batch| batch.name.as_str()),
            budget,
            state.name(),
            reason.as_deref(),
            run.as_ref().map(|run| &*run.0)
        );
        add.execute(connection).await.map(|_| ()).map_err(|error| self.place.error(error))
    }

    pub async fn list(&self, flow: Option<&str>, open_only: bool, rows_max: u32) -> Result<Vec<Trigger>, StoreError> {
        let most = i64::from(rows_max);
        let rows = if open_only {
            query_file_as!(TriggerColumns, "queries/triggers_open.sql", flow, most).fetch_all(self.pool).await
        } else {
            query_file_as!(TriggerColumns, "queries/triggers_list.sql", flow, most).fetch_all(self.pool).await
        };
        rows.map_err(|error| self.place.error(error))?.into_iter().map(|row| self.read(row)).collect()
    }

    pub async fn change(&self, change: &TriggerChange) -> Result<bool, StoreError> {
        let TriggerChange { flow, kind, key, from, to, reason, run } = change;
        let (kind, key): (&TriggerKind, _) = (kind, &*stored(key));
        let run = run.as_ref().map(|run| &*run.0);
        let change =
            query_file!("queries/trigger_change.sql", flow, kind.name(), key, from.name(), to.name(), reason.as_deref(), run);
        let changed = change.execute(self.pool).await.map_err(|error| self.place.error(error))?;
        Ok(changed.rows_affected() > 0)
    }

    fn read(&self, mut row: TriggerColumns) -> Result<Trigger, StoreError> {
        row.key = crate::text::read(row.key);
        row.trigger().map_err(|detail| self.place.unreadable(detail))
    }
}
