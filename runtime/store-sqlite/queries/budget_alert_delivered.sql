UPDATE usage_alerts SET delivered_at = CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER)
WHERE alert_id = ? AND delivered_at IS NULL
