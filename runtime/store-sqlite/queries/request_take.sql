UPDATE run_requests
SET taken_at = CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER)
WHERE request_id = ?1 AND execution_id = ?2
