SELECT to_char(to_timestamp(u.at / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS "day!", w.flow, u.model AS "model!", w.started_by,
       count(*) FILTER (WHERE u.kind IN ('settle', 'unknown')) AS "calls!", count(*) FILTER (WHERE u.breach) AS "breaches!",
       sum(coalesce(u.input_tokens, 0) + coalesce(u.cache_read_tokens, 0) + coalesce(u.cache_write_tokens, 0))::bigint AS "input_tokens!",
       sum(coalesce(u.output_tokens, 0))::bigint AS "output_tokens!",
       sum(CASE WHEN u.kind IN ('settle', 'reconcile') THEN u.charged_pico ELSE 0 END)::bigint AS "settled_pico!",
       sum(CASE u.kind WHEN 'unknown' THEN u.charged_pico WHEN 'reconcile' THEN -u.held_pico ELSE 0 END)::bigint AS "unknown_pico!"
FROM token_usage_logs AS u JOIN workflow_executions AS w ON w.execution_id = u.execution_id
WHERE u.model IS NOT NULL AND u.at >= $1 AND u.at < $2 AND ($3 OR NOT w.simulated)
GROUP BY 1, 2, 3, 4
HAVING count(*) FILTER (WHERE u.kind IN ('settle', 'unknown')) > 0
ORDER BY 1, w.flow, u.model COLLATE "C", w.started_by COLLATE "C"
