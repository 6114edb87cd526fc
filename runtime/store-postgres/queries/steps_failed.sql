SELECT instance AS "instance!", step AS "step!", place AS "place!", attempt AS "attempt!", kind AS "kind!",
       status AS "status!", started_at AS "started_at!", ended_at AS "ended_at!", has_usage AS "has_usage!", from_cache AS "from_cache!", target, result, failure, model, input_tokens,
       cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, input_key
FROM node_executions
WHERE execution_id = (SELECT execution_id FROM workflow_executions WHERE run_id = $1) AND status <> 'done' AND (step, attempt) > ($2, $3)
ORDER BY step, attempt
LIMIT $4
