//! Who executes a run, settled on the database's clock.

use crate::columns::{column, texts};
use crate::faults::Place;
use crate::text::stored;
use pmflow_engine::RunId;
use pmflow_store::tables::decode::{LeaseColumns, small, unsigned};
use pmflow_store::tables::rows::count;
use pmflow_store::{Claim, Claimed, Lease, Process, Renewal, StoreError};
use sqlx::{PgPool, query_file, query_file_scalar};
use std::collections::BTreeMap;

pub(crate) struct Leases<'s> {
    pub pool: &'s PgPool,
    pub place: &'s Place,
    pub lease_us: i64,
}

impl Leases<'_> {
    pub async fn claim(&self, run: &RunId, process: &Process, gone: Option<u64>) -> Result<Claim, StoreError> {
        loop {
            let read = query_file!("queries/lease_read.sql", stored(&run.0) as _).fetch_optional(self.pool).await;
            let row = read.map_err(|error| self.place.error(error))?.ok_or_else(|| self.place.no_such_run(run))?;
            let lease = LeaseColumns {
                epoch: row.lease_epoch,
                process: row.lease_process,
                host: row.lease_host,
                number: row.lease_number,
                since: row.lease_since,
                until: row.lease_until,
                now: row.now,
            };
            if let Some(holder) = lease.holder().filter(|holder| gone != Some(holder.epoch)) {
                return Ok(Claim::Held(holder));
            }
            let grant = query_file_scalar!(
                "queries/lease_grant.sql",
                process.id,
                process.host,
                i64::from(process.number),
                self.lease_us,
                row.execution_id,
                row.lease_epoch,
            );
            let granted = grant.fetch_optional(self.pool).await.map_err(|error| self.place.error(error))?;
            // Otherwise somebody else was faster: who holds it is read again.
            if let Some(epoch) = granted {
                return Ok(Claim::Granted(Lease { run: run.clone(), epoch: unsigned(epoch) }));
            }
        }
    }

    pub async fn claim_free(&self, process: &Process, runs_max: u32) -> Result<Vec<Claimed>, StoreError> {
        let claim = query_file!(
            "queries/leases_claim.sql",
            process.id,
            process.host,
            i64::from(process.number),
            self.lease_us,
            i64::from(runs_max)
        );
        let claimed = claim.fetch_all(self.pool).await.map_err(|error| self.place.error(error))?;
        let claimed = claimed.into_iter().map(|row| {
            let lease = Lease { run: RunId(row.run_id.into()), epoch: unsigned(row.lease_epoch) };
            Claimed { lease, deaths: small(row.lost_count) }
        });
        Ok(claimed.collect())
    }

    pub async fn bury(&self, lease: &Lease) -> Result<(), StoreError> {
        let bury = query_file!("queries/lease_bury.sql", stored(&lease.run.0) as _, count(lease.epoch));
        bury.execute(self.pool).await.map(|_| ()).map_err(|error| self.place.error(error))
    }

    pub async fn survived(&self, lease: &Lease) -> Result<(), StoreError> {
        let survived = query_file!("queries/lease_survived.sql", stored(&lease.run.0) as _, count(lease.epoch));
        survived.execute(self.pool).await.map(|_| ()).map_err(|error| self.place.error(error))
    }

    pub async fn renew(&self, leases: &[Lease]) -> Result<Vec<Renewal>, StoreError> {
        let renew = query_file!(
            "queries/lease_renew.sql",
            self.lease_us,
            texts(leases, |lease| &lease.run.0) as _,
            column(leases, |lease| count(lease.epoch)) as _
        );
        let rows = renew.fetch_all(self.pool).await.map_err(|error| self.place.error(error))?;
        let held: BTreeMap<(String, u64), i64> =
            rows.into_iter().map(|row| ((row.run_id, unsigned(row.lease_epoch)), row.lease_until)).collect();
        let answer = |lease: &Lease| match held.get(&(stored(&lease.run.0).into_owned(), lease.epoch)) {
            Some(until) => Renewal::Held { until: *until },
            None => Renewal::Lost,
        };
        Ok(leases.iter().map(answer).collect())
    }

    pub async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        let release = query_file!("queries/lease_release.sql", stored(&lease.run.0) as _, count(lease.epoch));
        release.fetch_optional(self.pool).await.map(|_| ()).map_err(|error| self.place.error(error))
    }
}
