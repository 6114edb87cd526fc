INSERT INTO run_requests (execution_id, kind, step, body, at)
SELECT $1, $2, $3, $4, clock_us()
FROM pg_notify('pmflow_news', '')
RETURNING request_id AS "request_id!"
