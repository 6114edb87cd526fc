INSERT INTO outputs (
  execution_id, owner, position, instance, step, value, tags, at
)
VALUES (
  ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
)
