SELECT count(*) AS "count!: i64" FROM run_triggers
WHERE flow = ? AND kind = 'webhook' AND recorded_at >= CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER) / 86400000000 * 86400000000
