UPDATE usage_alerts SET delivered_at = clock_us() WHERE alert_id = $1 AND delivered_at IS NULL
