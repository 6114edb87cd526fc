UPDATE alert_deliveries SET tries = tries + 1, next_at = CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER) + ?3
WHERE alert_id = ?1 AND destination = ?2
