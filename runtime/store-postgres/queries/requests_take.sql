UPDATE run_requests AS request
SET taken_at = clock_us()
FROM unnest($1::bigint[], $2::bigint[]) AS given (request_id, execution_id)
WHERE request.request_id = given.request_id AND request.execution_id = given.execution_id
