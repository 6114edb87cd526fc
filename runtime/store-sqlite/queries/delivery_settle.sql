UPDATE alert_deliveries
SET delivered_at = CASE WHEN ?3 IS NULL THEN CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER) END, failure = ?3, next_at = CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER) + ?4
WHERE alert_id = ?1 AND destination = ?2 AND delivered_at IS NULL
