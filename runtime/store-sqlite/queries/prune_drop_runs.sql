-- What moved no money goes at once, the rest with its ledger.
DELETE FROM workflow_executions
WHERE execution_id IN (
  SELECT run.execution_id FROM workflow_executions AS run
  WHERE run.kept = ?2 AND run.ended_at < ?3
    AND NOT EXISTS (SELECT 1 FROM token_usage_logs AS line WHERE line.execution_id = run.execution_id)
    AND NOT EXISTS (SELECT 1 FROM budget_shares AS share WHERE share.execution_id = run.execution_id)
    AND NOT EXISTS (SELECT 1 FROM budget_entries AS entry WHERE entry.execution_id = run.execution_id)
    AND NOT EXISTS (SELECT 1 FROM data_source_syncs AS sync WHERE sync.execution_id = run.execution_id)
  LIMIT ?1
)
