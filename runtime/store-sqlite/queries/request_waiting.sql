SELECT request_id AS "request_id!", body AS "body!"
FROM run_requests
WHERE execution_id = ? AND kind = ? AND step = ? AND taken_at IS NULL
ORDER BY request_id LIMIT 1
