SELECT count(*) AS "known!" FROM plans WHERE plan_id = $1
