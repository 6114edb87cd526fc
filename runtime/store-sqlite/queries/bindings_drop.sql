-- Of an instance that ended.
DELETE FROM bindings WHERE execution_id = ?1 AND instance = ?2
