INSERT INTO bindings (execution_id, instance, name, value)
SELECT value ->> 'execution_id',
       value ->> 'instance',
       value ->> 'name',
       value ->> 'value'
FROM jsonb_each(?)
WHERE true
ON CONFLICT (execution_id, instance, name) DO UPDATE SET value = excluded.value
