SELECT a.alert_id AS "alert_id!", b.name, b.scope, b.subject, b.period, b.period_start, a.limit_version, a.threshold, a.level,
       a.spent_pico, a.limit_pico, a.at, a.delivered_at
FROM usage_alerts AS a JOIN usage_budgets AS b ON b.budget_id = a.budget_id
WHERE NOT $1 OR a.delivered_at IS NULL
ORDER BY a.alert_id LIMIT $2
