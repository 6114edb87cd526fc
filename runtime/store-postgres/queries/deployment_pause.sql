UPDATE deployments
SET paused = $2, decided_until = CASE WHEN paused AND NOT $2 THEN clock_us() ELSE decided_until END
WHERE flow = $1
