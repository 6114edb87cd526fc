DELETE FROM alert_deliveries WHERE delivered_at IS NULL AND destination NOT IN (SELECT value FROM json_each(?))
