-- Of a list of more than two values SQLite makes a table for each row that is checked against it; comparisons cost nothing. What is
-- allowed stays the same, so the texts are changed in place: https://www.sqlite.org/lang_altertable.html, "Making Other Kinds Of
-- Table Schema Changes".
PRAGMA writable_schema = ON;
UPDATE sqlite_schema
SET sql = replace(
  sql,
  'CHECK (status IN (''running'', ''suspended'', ''succeeded'', ''failed'', ''cancelled''))',
  'CHECK (status = ''running'' OR status = ''succeeded'' OR status = ''suspended'' OR status = ''failed'' OR status = ''cancelled'')'
)
WHERE type = 'table' AND name = 'workflow_executions';
UPDATE sqlite_schema
SET sql = replace(
  sql,
  'CHECK (status IN (''waiting'', ''running'', ''done'', ''failed'', ''quarantined''))',
  'CHECK (status = ''running'' OR status = ''done'' OR status = ''waiting'' OR status = ''failed'' OR status = ''quarantined'')'
)
WHERE type = 'table' AND name = 'instances';
UPDATE sqlite_schema
SET sql = replace(
  sql,
  'CHECK (status IN (''done'', ''retried'', ''failed''))',
  'CHECK (status = ''done'' OR status = ''retried'' OR status = ''failed'')'
)
WHERE type = 'table' AND name = 'node_executions';
UPDATE sqlite_schema
SET sql = replace(
  sql,
  'CHECK (kind IN (''hold'', ''settle'', ''release'', ''unknown'', ''reconcile'', ''raise_limit''))',
  'CHECK (kind = ''hold'' OR kind = ''settle'' OR kind = ''release'' OR kind = ''unknown'' OR kind = ''reconcile'' OR kind = ''raise_limit'')'
)
WHERE type = 'table' AND name IN ('token_usage_logs', 'budget_entries');
PRAGMA writable_schema = RESET;

-- A hold is not yet spent, and half of all lines are holds. The change of an index also tells other connections of the new texts.
DROP INDEX IF EXISTS token_usage_logs_by_time;
CREATE INDEX token_usage_logs_by_time ON token_usage_logs (at) WHERE model IS NOT NULL AND kind <> 'hold';
