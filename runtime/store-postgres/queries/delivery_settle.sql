UPDATE alert_deliveries
SET delivered_at = CASE WHEN $3::text IS NULL THEN clock_us() END, failure = $3, next_at = clock_us() + $4
WHERE alert_id = $1 AND destination = $2 AND delivered_at IS NULL
