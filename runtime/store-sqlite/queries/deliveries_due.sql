SELECT a.alert_id AS "alert_id!", b.name, b.scope, b.subject, b.period, b.period_start, a.limit_version, a.threshold, a.level,
       a.spent_pico, a.limit_pico, a.at, a.delivered_at, delivery.destination, delivery.tries
FROM usage_alerts AS a
JOIN alert_deliveries AS delivery ON delivery.alert_id = a.alert_id
JOIN usage_budgets AS b ON b.budget_id = a.budget_id
WHERE a.delivered_at IS NULL AND delivery.delivered_at IS NULL AND delivery.next_at <= CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER)
ORDER BY a.alert_id, delivery.destination
