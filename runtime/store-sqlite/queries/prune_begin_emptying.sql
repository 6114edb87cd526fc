-- Not what somebody holds, and not what a run that is whole took over from. A writer of earlier is refused from here on.
UPDATE workflow_executions SET kept = 1, input = '', root_state = '', lease_epoch = lease_epoch + 1
WHERE execution_id IN (
  SELECT run.execution_id FROM workflow_executions AS run INDEXED BY workflow_executions_kept
  WHERE run.kept = 0 AND run.ended_at < ?1 AND (?2 IS NULL OR run.flow = ?2)
    AND run.status IN ('succeeded', 'failed', 'cancelled') AND run.held_pico = 0
    AND (run.lease_until IS NULL OR run.lease_until <= CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER))
    AND NOT EXISTS (
      SELECT 1 FROM workflow_executions AS later WHERE later.origin = run.run_id AND later.kept = 0
    )
  ORDER BY run.ended_at
  LIMIT ?3
)
