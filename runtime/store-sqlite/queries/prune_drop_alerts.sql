DELETE FROM usage_alerts WHERE budget_id = ?1
