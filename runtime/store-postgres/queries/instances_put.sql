INSERT INTO instances (
  execution_id, path, parent, parent_step, position, status, state, started_at, ended_at, failure, yielded, input
)
SELECT * FROM unnest(
  $1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::bigint[], $9::bigint[],
  $10::text[], $11::text[], $12::text[]
)
ON CONFLICT (execution_id, path) DO UPDATE
SET parent = excluded.parent,
    parent_step = excluded.parent_step,
    position = excluded.position,
    status = excluded.status,
    state = excluded.state,
    started_at = excluded.started_at,
    ended_at = excluded.ended_at,
    failure = excluded.failure,
    yielded = excluded.yielded,
    input = excluded.input
