SELECT count(*) AS "known!: i64" FROM plans WHERE plan_id = ?
