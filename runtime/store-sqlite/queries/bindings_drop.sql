-- Of instances that ended.
DELETE FROM bindings
WHERE binding_id IN (
  SELECT binding.binding_id
  FROM jsonb_each(?) AS given
  CROSS JOIN bindings AS binding
    ON binding.execution_id = given.value ->> 'execution_id' AND binding.instance = given.value ->> 'path'
)
