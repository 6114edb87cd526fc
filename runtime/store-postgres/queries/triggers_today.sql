SELECT count(*) AS "count!" FROM run_triggers
WHERE flow = $1 AND kind = 'webhook' AND recorded_at >= clock_us() / 86400000000 * 86400000000
