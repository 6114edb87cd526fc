SELECT n.place AS "place!", n.target AS "target!", p.hash AS "hash?", n.model AS "model!", n.started_at AS "started_at!",
       n.ended_at AS "ended_at!", n.has_usage AS "has_usage!", n.input_tokens, n.cache_read_tokens, n.cache_write_tokens,
       n.output_tokens, n.reasoning_tokens, n.cost_pico
FROM workflow_executions AS w
JOIN node_executions AS n ON n.execution_id = w.execution_id
LEFT JOIN plan_prompts AS p ON p.plan_id = w.plan_id AND p.prompt = n.target
WHERE w.flow = $1 AND NOT w.simulated AND n.kind = 'prompt' AND n.status = 'done' AND NOT n.from_cache AND n.model IS NOT NULL
ORDER BY w.execution_id DESC, n.step, n.attempt
LIMIT $2
