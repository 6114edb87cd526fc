-- Which of the given (execution, path) have a row, alive or ended.
SELECT instance.execution_id AS "execution_id!", instance.path AS "path!"
FROM unnest($1::bigint[], $2::text[]) AS given (execution_id, path)
JOIN instances AS instance ON instance.execution_id = given.execution_id AND instance.path = given.path
