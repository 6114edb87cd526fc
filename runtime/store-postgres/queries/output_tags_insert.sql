-- A tag that is named twice counts once.
INSERT INTO output_tags (
  tag, execution_id, position
)
SELECT * FROM unnest(
  $1::text[], $2::bigint[], $3::text[]
)
ON CONFLICT DO NOTHING
