UPDATE usage_alerts AS alert SET delivered_at = clock_us()
WHERE alert.delivered_at IS NULL
  AND EXISTS (SELECT 1 FROM alert_deliveries AS done WHERE done.alert_id = alert.alert_id)
  AND NOT EXISTS (SELECT 1 FROM alert_deliveries AS open WHERE open.alert_id = alert.alert_id AND open.delivered_at IS NULL)
