UPDATE usage_alerts SET delivered_at = CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER)
WHERE delivered_at IS NULL
  AND EXISTS (SELECT 1 FROM alert_deliveries AS done WHERE done.alert_id = usage_alerts.alert_id)
  AND NOT EXISTS (
    SELECT 1 FROM alert_deliveries AS open WHERE open.alert_id = usage_alerts.alert_id AND open.delivered_at IS NULL
  )
