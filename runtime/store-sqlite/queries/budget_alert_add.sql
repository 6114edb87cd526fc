INSERT INTO usage_alerts (budget_id, limit_version, threshold, level, spent_pico, limit_pico, at)
VALUES (?, ?, ?, ?, ?, ?, CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER))
ON CONFLICT (budget_id, limit_version, threshold) DO NOTHING
