UPDATE instances
SET status = given.value ->> 'status',
    ended_at = given.value ->> 'ended_at',
    failure = given.value ->> 'failure',
    yielded = given.value ->> 'yielded',
    input = given.value ->> 'input',
    state = NULL
FROM jsonb_each(?) AS given
WHERE instances.execution_id = given.value ->> 'execution_id' AND instances.path = given.value ->> 'path'
