DELETE FROM plans WHERE plan_id = ?1
