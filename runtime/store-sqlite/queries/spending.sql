SELECT strftime('%Y-%m-%d', u.at / 1000000, 'unixepoch') AS "day!: String", w.flow, u.model AS "model!", w.started_by,
       sum(u.kind IN ('settle', 'unknown')) AS "calls!: i64", sum(u.breach) AS "breaches!: i64",
       sum(coalesce(u.input_tokens, 0) + coalesce(u.cache_read_tokens, 0) + coalesce(u.cache_write_tokens, 0)) AS "input_tokens!: i64",
       sum(coalesce(u.output_tokens, 0)) AS "output_tokens!: i64",
       sum(CASE WHEN u.kind IN ('settle', 'reconcile') THEN u.charged_pico ELSE 0 END) AS "settled_pico!: i64",
       sum(CASE u.kind WHEN 'unknown' THEN u.charged_pico WHEN 'reconcile' THEN -u.held_pico ELSE 0 END) AS "unknown_pico!: i64"
FROM token_usage_logs AS u JOIN workflow_executions AS w ON w.execution_id = u.execution_id
WHERE u.model IS NOT NULL AND u.kind <> 'hold' AND u.at >= ? AND u.at < ? AND w.simulated <= ?
GROUP BY 1, 2, 3, 4
HAVING sum(u.kind IN ('settle', 'unknown')) > 0
ORDER BY 1, 2, 3, 4
