SELECT execution_id AS "execution_id!", path AS "path!", parent, parent_step, position AS "position!", status AS "status!", state, started_at AS "started_at!"
FROM instances
WHERE execution_id = ANY($1::bigint[]) AND ended_at IS NULL
ORDER BY path
