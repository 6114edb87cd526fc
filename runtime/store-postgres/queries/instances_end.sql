UPDATE instances AS instance
SET status = given.status, ended_at = given.ended_at, failure = given.failure, yielded = given.yielded, input = given.input,
    state = NULL
FROM unnest($1::instance_ending[]) AS given
WHERE instance.execution_id = given.execution_id AND instance.path = given.path
