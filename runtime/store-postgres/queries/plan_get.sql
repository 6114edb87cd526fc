SELECT flow AS "flow!", bytes AS "bytes!", source_map AS "source_map!" FROM plans WHERE plan_id = $1
