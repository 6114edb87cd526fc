-- Alive or ended.
SELECT 1 FROM instances WHERE execution_id = ?1 AND path = ?2
