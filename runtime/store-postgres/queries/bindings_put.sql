INSERT INTO bindings (
  execution_id, instance, name, value
)
SELECT * FROM unnest(
  $1::bigint[], $2::text[], $3::text[], $4::text[]
)
ON CONFLICT (execution_id, instance, name) DO UPDATE SET value = excluded.value
