SELECT run.execution_id AS "execution_id!", run.run_id AS "run_id!", run.flow AS "flow!", run.simulated AS "simulated!",
       output.instance AS "instance!", output.step AS "step!", output.position AS "position!", output.value AS "value!",
       output.tags AS "tags!", output.at AS "at!"
FROM output_tags AS tagged
JOIN workflow_executions AS run ON run.execution_id = tagged.execution_id
JOIN outputs AS output
  ON output.execution_id = run.execution_id AND output.owner = run.root_path AND output.position = tagged.position
WHERE tagged.tag = $6 AND tagged.execution_id > $1
  AND ($2::text IS NULL OR run.flow = $2)
  AND ($3::bigint IS NULL OR output.at >= $3)
  AND ($4::bigint IS NULL OR output.at < $4)
ORDER BY tagged.execution_id, tagged.position
LIMIT $5
