INSERT INTO node_executions (
  execution_id, instance, step, place, attempt, kind, target, status, started_at, ended_at, result, failure, model,
  input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, has_usage, cost_pico,
  from_cache, input_key
)
SELECT * FROM unnest(
  $1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::bigint[],
  $10::bigint[], $11::text[], $12::text[], $13::text[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[],
  $18::bigint[], $19::boolean[], $20::bigint[], $21::boolean[], $22::text[]
)
