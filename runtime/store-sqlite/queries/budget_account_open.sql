INSERT INTO usage_budgets (name, scope, subject, period, period_start, time_zone, limit_pico, limit_version, held_pico, settled_pico, unknown_pico, breaches)
VALUES (?, ?, ?, ?, ?, ?, NULL, 0, 0, 0, 0, 0)
ON CONFLICT (team_id, name, scope, subject, period, period_start) DO NOTHING
