-- Of instances that ended.
DELETE FROM bindings AS binding
USING unnest($1::bigint[], $2::text[]) AS given (execution_id, instance)
WHERE binding.execution_id = given.execution_id AND binding.instance = given.instance
