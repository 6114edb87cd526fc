WITH due AS (
  SELECT delivery.alert_id, delivery.destination
  FROM alert_deliveries AS delivery
  WHERE delivery.delivered_at IS NULL AND delivery.next_at <= clock_us()
  FOR NO KEY UPDATE SKIP LOCKED
), taken AS (
  UPDATE alert_deliveries AS delivery
  SET tries = delivery.tries + 1, next_at = clock_us() + $1
  FROM due
  WHERE delivery.alert_id = due.alert_id AND delivery.destination = due.destination
  RETURNING delivery.alert_id, delivery.destination, delivery.tries
)
SELECT a.alert_id AS "alert_id!", b.name, b.scope, b.subject, b.period, b.period_start, a.limit_version, a.threshold, a.level,
       a.spent_pico, a.limit_pico, a.at, a.delivered_at, taken.destination AS "destination!", taken.tries AS "tries!"
FROM taken JOIN usage_alerts AS a ON a.alert_id = taken.alert_id JOIN usage_budgets AS b ON b.budget_id = a.budget_id
ORDER BY a.alert_id, taken.destination
