SELECT request.request_id AS "request_id!", run.run_id AS "run_id!", request.body AS "body!", request.at AS "at!",
       approval.instance AS "instance?"
FROM jsonb_each(?) AS given
CROSS JOIN workflow_executions AS run ON run.run_id = given.value
CROSS JOIN run_requests AS request ON request.execution_id = run.execution_id AND request.taken_at IS NULL
LEFT JOIN approvals AS approval ON approval.execution_id = run.execution_id AND approval.step = request.step
ORDER BY request.request_id
