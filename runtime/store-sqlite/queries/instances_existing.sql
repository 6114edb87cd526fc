-- Which of the given (execution, path) have a row, alive or ended.
SELECT instance.execution_id AS "execution_id!", instance.path AS "path!"
FROM jsonb_each(?) AS given
CROSS JOIN instances AS instance
  ON instance.execution_id = given.value ->> 'execution_id' AND instance.path = given.value ->> 'path'
