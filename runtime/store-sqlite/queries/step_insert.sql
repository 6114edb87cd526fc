INSERT INTO node_executions (
  execution_id, instance, step, place, attempt, kind, target, status, started_at, ended_at, result, failure, model,
  input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, has_usage, cost_pico,
  from_cache, input_key
)
VALUES (
  ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22
)
