SELECT request.request_id AS "request_id!", run.run_id AS "run_id!", request.body AS "body!", request.at AS "at!",
       approval.instance AS "instance?"
FROM run_requests AS request
JOIN workflow_executions AS run ON run.execution_id = request.execution_id
LEFT JOIN approvals AS approval ON approval.execution_id = run.execution_id AND approval.step = request.step
WHERE request.taken_at IS NULL AND run.run_id = ANY($1::text[])
ORDER BY request.request_id
