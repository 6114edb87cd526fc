INSERT INTO alert_deliveries (alert_id, destination, tries, next_at)
SELECT alert.alert_id, given.value, 0, 0
FROM usage_alerts AS alert, json_each(?) AS given
WHERE alert.delivered_at IS NULL
ON CONFLICT (alert_id, destination) DO NOTHING
