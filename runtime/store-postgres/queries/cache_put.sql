INSERT INTO prompt_cache (
  key, value, flow, prompt, at
)
SELECT * FROM unnest(
  $1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[]
)
ON CONFLICT (key) DO UPDATE
SET value = excluded.value, flow = excluded.flow, prompt = excluded.prompt, at = excluded.at
