-- One line per column and per unique index of every table, as `layout.txt` has them.
SELECT
  'column ' || tables.name || '.' || columns.name || ' ' || lower(columns.type)
  || CASE
    WHEN columns."notnull" = 0 AND columns.pk = 0 THEN ''
    WHEN columns.dflt_value IS NOT NULL THEN ' not null'
    ELSE ' required'
  END AS line
FROM sqlite_schema AS tables
JOIN pragma_table_info(tables.name) AS columns
WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite!_%' ESCAPE '!' AND tables.name <> '_sqlx_migrations'
UNION ALL
SELECT
  'unique ' || tables.name || ' (' || (SELECT group_concat(name, ', ') FROM pragma_index_info(indexes.name)) || ')'
FROM sqlite_schema AS tables
JOIN pragma_index_list(tables.name) AS indexes
WHERE indexes."unique" = 1
  AND tables.type = 'table' AND tables.name NOT LIKE 'sqlite!_%' ESCAPE '!' AND tables.name <> '_sqlx_migrations'
