INSERT INTO outputs (
  execution_id, owner, position, instance, step, value, tags, at
)
SELECT * FROM unnest(
  $1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[]
)
