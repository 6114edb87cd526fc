SELECT request_id AS "request_id!", body AS "body!"
FROM run_requests
WHERE execution_id = $1 AND kind = $2 AND step = $3 AND taken_at IS NULL
ORDER BY request_id LIMIT 1
