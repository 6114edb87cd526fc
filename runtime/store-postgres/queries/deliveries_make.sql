-- One for each destination that there is now; those of destinations that are gone wait for nothing any more.
WITH gone AS (
  DELETE FROM alert_deliveries WHERE delivered_at IS NULL AND NOT destination = ANY($1::text[])
)
INSERT INTO alert_deliveries (alert_id, destination, tries, next_at)
SELECT alert.alert_id, given.destination, 0, 0
FROM usage_alerts AS alert, unnest($1::text[]) AS given (destination)
WHERE alert.delivered_at IS NULL
ON CONFLICT (alert_id, destination) DO NOTHING
