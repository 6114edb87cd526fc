SELECT run.run_id AS "run_id!", run.flow AS "flow!", approval.instance AS "instance!", approval.step AS "step!",
       approval.text AS "text!", approval.role, approval.until, approval.at AS "at!"
FROM approvals AS approval
JOIN workflow_executions AS run ON run.execution_id = approval.execution_id
WHERE approval.closed_at IS NULL
  AND ($1::text IS NULL OR run.run_id = $1)
  AND NOT EXISTS (
    SELECT 1 FROM run_requests AS request
    WHERE request.execution_id = approval.execution_id AND request.taken_at IS NULL AND request.kind = 'decide'
      AND request.step = approval.step
  )
ORDER BY approval.at, run.execution_id, approval.step
