DELETE FROM plan_prompts WHERE plan_id = ?1
