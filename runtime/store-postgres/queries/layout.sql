-- One line per column and per unique index of these tables, and per column of these types, as `layout.txt` has them. A row is given
-- to a statement by the places of its columns.
SELECT line AS "line!"
FROM (
  SELECT format(
           'column %s.%s %s%s', name, a.attname, format_type(a.atttypid, a.atttypmod),
           CASE WHEN NOT a.attnotnull THEN '' WHEN a.atthasdef OR a.attidentity <> '' THEN ' not null' ELSE ' required' END
         ) AS line
  FROM unnest($1::text[]) AS given (name)
  JOIN pg_attribute AS a ON a.attrelid = to_regclass(quote_ident(name))
  JOIN pg_class AS relation ON relation.oid = a.attrelid AND relation.relkind <> 'c'
  WHERE a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT format(
           'place %s of %s: %s %s', row_number() OVER (PARTITION BY name ORDER BY a.attnum), name, a.attname,
           format_type(a.atttypid, a.atttypmod)
         )
  FROM unnest($1::text[]) AS given (name)
  JOIN pg_attribute AS a ON a.attrelid = to_regclass(quote_ident(name))
  JOIN pg_class AS relation ON relation.oid = a.attrelid AND relation.relkind = 'c'
  WHERE a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT format(
           'unique %s (%s)', name,
           (
             SELECT string_agg(a.attname, ', ' ORDER BY key.position)
             FROM unnest(i.indkey::smallint[]) WITH ORDINALITY AS key (number, position)
             JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = key.number
           )
         )
  FROM unnest($1::text[]) AS given (name)
  JOIN pg_index AS i ON i.indrelid = to_regclass(quote_ident(name))
  WHERE i.indisunique AND i.indisvalid
) AS lines
ORDER BY line COLLATE "C"
