INSERT INTO token_usage_logs (
  execution_id, kind, held_pico, charged_pico, breach, instance, step, attempt, prompt, model, input_tokens,
  cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, has_usage, idempotency_key, at
)
VALUES (
  ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18
)
