INSERT INTO usage_alerts (budget_id, limit_version, threshold, level, spent_pico, limit_pico, at)
VALUES ($1, $2, $3, $4, $5, $6, clock_us())
ON CONFLICT (budget_id, limit_version, threshold) DO NOTHING
