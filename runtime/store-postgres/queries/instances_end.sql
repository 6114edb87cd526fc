UPDATE instances AS instance
SET status = given.status, ended_at = given.ended_at, failure = given.failure, yielded = given.yielded, input = given.input,
    state = NULL
FROM unnest(
  $1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[]
) AS given (execution_id, path, status, ended_at, failure, yielded, input)
WHERE instance.execution_id = given.execution_id AND instance.path = given.path
