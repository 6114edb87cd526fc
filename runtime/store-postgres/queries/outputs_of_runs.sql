-- The own outputs of all runs behind one.
SELECT run.execution_id AS "execution_id!", run.run_id AS "run_id!", run.flow AS "flow!", run.simulated AS "simulated!",
       output.instance AS "instance!", output.step AS "step!", output.position AS "position!", output.value AS "value!",
       output.tags AS "tags!", output.at AS "at!"
FROM workflow_executions AS run
JOIN outputs AS output ON output.execution_id = run.execution_id AND output.owner = run.root_path
WHERE run.execution_id > $1
  AND ($2::text IS NULL OR run.flow = $2)
  AND ($3::bigint IS NULL OR output.at >= $3)
  AND ($4::bigint IS NULL OR output.at < $4)
ORDER BY run.execution_id, output.position
LIMIT $5
