INSERT INTO outputs (execution_id, owner, position, instance, step, value, tags, at)
SELECT value ->> 'execution_id',
       value ->> 'owner',
       value ->> 'position',
       value ->> 'instance',
       value ->> 'step',
       value ->> 'value',
       value ->> 'tags',
       value ->> 'at'
FROM jsonb_each(?)
