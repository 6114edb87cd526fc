SELECT budget_id AS "budget_id!", name, scope, subject, period, period_start, time_zone, limit_pico, limit_version, held_pico, settled_pico,
       unknown_pico, breaches, raised_pico, alerts
FROM usage_budgets ORDER BY period_start DESC, budget_id DESC LIMIT $1
