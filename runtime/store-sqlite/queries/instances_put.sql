INSERT INTO instances (execution_id, path, parent, parent_step, position, status, state, started_at, ended_at, failure, yielded, input)
SELECT value ->> 'execution_id',
       value ->> 'path',
       value ->> 'parent',
       value ->> 'parent_step',
       value ->> 'position',
       value ->> 'status',
       value ->> 'state',
       value ->> 'started_at',
       value ->> 'ended_at',
       value ->> 'failure',
       value ->> 'yielded',
       value ->> 'input'
FROM jsonb_each(?)
WHERE true
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
