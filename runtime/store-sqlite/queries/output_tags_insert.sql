-- A tag that is named twice counts once.
INSERT INTO output_tags (tag, execution_id, position)
SELECT value ->> 'tag',
       value ->> 'execution_id',
       value ->> 'position'
FROM jsonb_each(?)
WHERE true
ON CONFLICT DO NOTHING
