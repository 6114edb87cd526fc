SELECT usage_id AS "usage_id!", kind AS "kind!", held_pico AS "held_pico!", charged_pico AS "charged_pico!",
       breach AS "breach!", instance, step, attempt, prompt, model, input_tokens, cache_read_tokens, cache_write_tokens,
       output_tokens, reasoning_tokens, has_usage AS "has_usage!", idempotency_key, at AS "at!"
FROM token_usage_logs
WHERE execution_id = (SELECT execution_id FROM workflow_executions WHERE run_id = $1) AND usage_id > $2
ORDER BY usage_id
LIMIT $3
