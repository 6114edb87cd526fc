-- Runs that began together go on together, so all rows of a page may change in one transaction. Where there is room for a second version
-- of each, a change touches no index. At 60, a fifth of them found none, and the table was no smaller for it.
ALTER TABLE workflow_executions SET (fillfactor = 40);
