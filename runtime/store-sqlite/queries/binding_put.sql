INSERT INTO bindings (execution_id, instance, name, value)
VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (execution_id, instance, name) DO UPDATE SET value = excluded.value
