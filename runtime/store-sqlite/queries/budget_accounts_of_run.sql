SELECT b.budget_id AS "budget_id!", b.name, b.scope, b.subject, b.period, b.period_start, b.time_zone, b.limit_pico, b.limit_version, b.held_pico, b.settled_pico, b.unknown_pico, b.breaches, b.raised_pico, b.alerts
FROM budget_shares AS s JOIN usage_budgets AS b ON b.budget_id = s.budget_id
WHERE s.execution_id = ?
