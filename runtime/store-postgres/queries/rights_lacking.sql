SELECT name AS "name!"
FROM unnest($1::text[]) AS given (name)
JOIN pg_class AS relation ON relation.oid = to_regclass(quote_ident(name)) AND relation.relkind <> 'c'
WHERE NOT (
  has_table_privilege(quote_ident(name), 'SELECT') AND has_table_privilege(quote_ident(name), 'INSERT')
  AND has_table_privilege(quote_ident(name), 'UPDATE') AND has_table_privilege(quote_ident(name), 'DELETE')
)
ORDER BY name
