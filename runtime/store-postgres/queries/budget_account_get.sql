SELECT budget_id AS "budget_id!", name, scope, subject, period, period_start, time_zone, limit_pico, limit_version, held_pico, settled_pico,
       unknown_pico, breaches, raised_pico, alerts
FROM usage_budgets WHERE name = $1 AND scope = $2 AND subject = $3 AND period = $4 AND period_start = $5
