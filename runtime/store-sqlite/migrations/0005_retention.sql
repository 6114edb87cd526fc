-- Retention. How far it has come with a run: 0 the run is whole, 1 its payloads are being emptied, 2 they are gone, 3 its rows are
-- being deleted, 4 only this row and the ledger are left.
ALTER TABLE workflow_executions ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;
-- The run that it takes over from.
ALTER TABLE workflow_executions ADD COLUMN origin TEXT;
UPDATE workflow_executions SET origin = setup ->> 'origin' WHERE setup ->> 'origin' IS NOT NULL;

CREATE INDEX workflow_executions_kept ON workflow_executions (kept, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX workflow_executions_origin ON workflow_executions (origin) WHERE origin IS NOT NULL;
CREATE INDEX workflow_executions_by_plan ON workflow_executions (plan_id);
CREATE INDEX output_tags_by_run ON output_tags (execution_id);
CREATE INDEX run_requests_by_run ON run_requests (execution_id);
CREATE INDEX budget_entries_by_run ON budget_entries (execution_id);
CREATE INDEX budget_shares_by_budget ON budget_shares (budget_id);
CREATE INDEX data_source_syncs_by_run ON data_source_syncs (execution_id);
CREATE INDEX prompt_cache_by_time ON prompt_cache (at);
