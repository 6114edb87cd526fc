INSERT INTO usage_budgets (
  name, scope, subject, period, period_start, time_zone, limit_version, held_pico, settled_pico, unknown_pico, breaches
)
VALUES ($1, $2, $3, $4, $5, $6, 0, 0, 0, 0, 0)
ON CONFLICT (team_id, name, scope, subject, period, period_start) DO NOTHING
