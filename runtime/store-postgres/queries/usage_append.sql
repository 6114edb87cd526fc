INSERT INTO token_usage_logs (
  execution_id, kind, held_pico, charged_pico, breach, instance, step, attempt, prompt, model, input_tokens,
  cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, has_usage, idempotency_key, at
)
SELECT * FROM unnest(
  $1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::boolean[], $6::text[], $7::text[], $8::bigint[],
  $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::boolean[],
  $17::text[], $18::bigint[]
)
