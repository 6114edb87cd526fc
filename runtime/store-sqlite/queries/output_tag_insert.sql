-- A tag that is named twice counts once.
INSERT INTO output_tags (tag, execution_id, position)
VALUES (?1, ?2, ?3)
ON CONFLICT DO NOTHING
