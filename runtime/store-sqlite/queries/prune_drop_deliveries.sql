DELETE FROM alert_deliveries WHERE alert_id IN (SELECT alert_id FROM usage_alerts WHERE budget_id = ?1)
