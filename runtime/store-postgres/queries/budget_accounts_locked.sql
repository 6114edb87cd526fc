-- Always in the order of their numbers, so that nobody waits in a circle.
SELECT budget_id AS "budget_id!", name, scope, subject, period, period_start, time_zone, limit_pico, limit_version, held_pico, settled_pico,
       unknown_pico, breaches, raised_pico, alerts
FROM usage_budgets WHERE budget_id = ANY($1::bigint[])
ORDER BY budget_id
FOR NO KEY UPDATE
