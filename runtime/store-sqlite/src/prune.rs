//! What retention removes: the statements; their order stands in `pmflow_store::tables::prune`.

use crate::faults::Place;
use pmflow_store::tables::prune::{self, Beginning, Part, RUNS_MAX};
use pmflow_store::{Cutoffs, Prunable, Prune, Pruned, StoreError};
use sqlx::{SqliteConnection, SqlitePool, query_file, query_file_scalar};

/// Stages of a run, as in its column `kept`.
const JUST_REMOVED: i64 = 3;
const ONLY_SUMS: i64 = 4;

pub(crate) struct Pruner<'c> {
    pub connection: &'c mut SqliteConnection,
    pub place: &'c Place,
    pub what: &'c Prune,
    pub cutoffs: Cutoffs,
}

impl<'c> Pruner<'c> {
    pub async fn piece(
        connection: &'c mut SqliteConnection,
        place: &'c Place,
        what: &'c Prune,
        rows_max: u32,
    ) -> Result<Pruned, StoreError> {
        let now = query_file_scalar!("queries/budget_now.sql").fetch_one(&mut *connection).await;
        let cutoffs = what.cutoffs(now.map_err(|error| place.error(error))?);
        prune::piece(&mut Pruner { connection, place, what, cutoffs }, cutoffs, rows_max).await
    }
}

impl prune::Tables for Pruner<'_> {
    async fn begin(&mut self, beginning: Beginning, before: i64) -> Result<u64, StoreError> {
        let flow = self.what.flow.as_deref();
        let statement = match beginning {
            Beginning::Emptying => query_file!("queries/prune_begin_emptying.sql", before, flow, RUNS_MAX),
            Beginning::Removing => query_file!("queries/prune_begin_removing.sql", before, flow, RUNS_MAX),
        };
        let done = statement.execute(&mut *self.connection).await.map_err(|error| self.place.error(error))?;
        Ok(done.rows_affected())
    }

    async fn part(&mut self, part: Part, rows_max: i64) -> Result<u64, StoreError> {
        let flow = self.what.flow.as_deref();
        let Cutoffs { payloads, ledger, .. } = self.cutoffs;
        let accounts = &*self.cutoffs.accounts_before();
        let statement = match part {
            Part::EmptyInstances => query_file!("queries/prune_empty_instances.sql", rows_max),
            Part::EmptySteps => query_file!("queries/prune_empty_steps.sql", rows_max),
            Part::EmptyOutputs => query_file!("queries/prune_empty_outputs.sql", rows_max),
            Part::EmptyApprovals => query_file!("queries/prune_empty_approvals.sql", rows_max),
            Part::EndEmptying => query_file!("queries/prune_end_emptying.sql"),
            Part::DropBindings => query_file!("queries/prune_drop_bindings.sql", rows_max),
            Part::DropTags => query_file!("queries/prune_drop_tags.sql", rows_max),
            Part::DropOutputs => query_file!("queries/prune_drop_outputs.sql", rows_max),
            Part::DropSteps => query_file!("queries/prune_drop_steps.sql", rows_max),
            Part::DropInstances => query_file!("queries/prune_drop_instances.sql", rows_max),
            Part::DropApprovals => query_file!("queries/prune_drop_approvals.sql", rows_max),
            Part::DropRequests => query_file!("queries/prune_drop_requests.sql", rows_max),
            Part::DropPlayUsage => query_file!("queries/prune_drop_play_usage.sql", rows_max),
            Part::EndTriggers => query_file!("queries/prune_end_triggers.sql"),
            Part::DropRuns => query_file!("queries/prune_drop_runs.sql", rows_max, JUST_REMOVED, i64::MAX),
            Part::KeepSums => query_file!("queries/prune_keep_sums.sql"),
            Part::DropCache => query_file!("queries/prune_drop_cache.sql", rows_max, payloads, flow),
            Part::DropUsage => query_file!("queries/prune_drop_usage.sql", rows_max, ledger),
            Part::DropEntries if flow.is_some() => return Ok(0),
            Part::DropEntries => query_file!("queries/prune_drop_entries.sql", rows_max, accounts, ledger),
            Part::DropTriggers => query_file!("queries/prune_drop_triggers.sql", rows_max, ledger, flow),
            Part::DropOldRuns => query_file!("queries/prune_drop_runs.sql", rows_max, ONLY_SUMS, ledger),
            // What belongs to no flow is left alone when one is named.
            Part::DropAccounts if flow.is_some() => return Ok(0),
            Part::DropAccounts => return self.drop_accounts(accounts).await,
            Part::DropPlans => return self.drop_plans().await,
        };
        let done = statement.execute(&mut *self.connection).await.map_err(|error| self.place.error(error))?;
        Ok(done.rows_affected())
    }
}

impl Pruner<'_> {
    async fn drop_accounts(&mut self, before: &str) -> Result<u64, StoreError> {
        let bare = query_file_scalar!("queries/prune_bare_accounts.sql", before).fetch_all(&mut *self.connection).await;
        let mut rows = 0;
        for account in bare.map_err(|error| self.place.error(error))? {
            for statement in [
                query_file!("queries/prune_drop_shares.sql", account),
                query_file!("queries/prune_drop_deliveries.sql", account),
                query_file!("queries/prune_drop_alerts.sql", account),
                query_file!("queries/prune_drop_account.sql", account),
            ] {
                rows += self.done(statement).await?;
            }
        }
        Ok(rows)
    }

    /// With what was learnt from their calls: no run is left that it could say anything about.
    async fn drop_plans(&mut self) -> Result<u64, StoreError> {
        let (flow, before) = (self.what.flow.as_deref(), self.cutoffs.runs);
        let plans = query_file_scalar!("queries/prune_plans_unneeded.sql", before, flow).fetch_all(&mut *self.connection).await;
        let mut rows = 0;
        for plan in plans.map_err(|error| self.place.error(error))? {
            for statement in [
                query_file!("queries/prune_drop_history.sql", plan),
                query_file!("queries/prune_drop_prompts.sql", plan),
                query_file!("queries/prune_drop_plan.sql", plan),
            ] {
                rows += self.done(statement).await?;
            }
        }
        Ok(rows)
    }

    async fn done(&mut self, statement: Statement<'_>) -> Result<u64, StoreError> {
        let done = statement.execute(&mut *self.connection).await.map_err(|error| self.place.error(error))?;
        Ok(done.rows_affected())
    }
}

type Statement<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

/// About what would go. Reads without holding anything up.
pub(crate) async fn count(readers: &SqlitePool, place: &Place, what: &Prune, cutoffs: Cutoffs) -> Result<Prunable, StoreError> {
    let (flow, nothing) = (what.flow.as_deref(), (0, 0, 0));
    let mut payloads = nothing;
    if let Some(before) = cutoffs.payloads {
        let row = query_file!("queries/prune_count_payloads.sql", before, flow).fetch_one(readers).await;
        let row = row.map_err(|error| place.error(error))?;
        let cache = query_file!("queries/prune_count_cache.sql", before, flow).fetch_one(readers).await;
        let cache = cache.map_err(|error| place.error(error))?;
        payloads = (row.runs, row.counted + cache.counted, row.size + cache.size);
    }
    let mut runs = nothing;
    if let Some(before) = cutoffs.runs {
        let row = query_file!("queries/prune_count_runs.sql", before, flow).fetch_one(readers).await;
        let row = row.map_err(|error| place.error(error))?;
        runs = (row.runs, row.counted, row.size);
    }
    Ok(prune::prunable(payloads, runs))
}
