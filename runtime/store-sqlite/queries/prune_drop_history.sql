DELETE FROM step_history WHERE plan_id = ?1
