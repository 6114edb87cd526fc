INSERT INTO run_requests (execution_id, kind, step, body, at)
VALUES (?, ?, ?, ?, CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER))
RETURNING request_id AS "request_id!"
