SELECT prompt AS "prompt!", hash AS "hash!" FROM plan_prompts WHERE plan_id = $1 ORDER BY prompt
