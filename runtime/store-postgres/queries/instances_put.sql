INSERT INTO instances (
  execution_id, path, parent, parent_step, position, status, state, started_at, ended_at, failure, yielded, input
)
SELECT * FROM unnest($1::instance_record[])
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
