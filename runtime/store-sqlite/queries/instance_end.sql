UPDATE instances
SET status = ?3, ended_at = ?4, failure = ?5, yielded = ?6, input = ?7, state = NULL
WHERE execution_id = ?1 AND path = ?2
