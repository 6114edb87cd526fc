UPDATE run_requests
SET taken_at = CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER)
FROM jsonb_each(?) AS given
WHERE run_requests.request_id = given.value ->> 'request_id' AND run_requests.execution_id = given.value ->> 'execution_id'
