SELECT name AS "name!"
FROM unnest($1::text[]) AS given (name)
WHERE NOT (
  has_table_privilege(quote_ident(name), 'SELECT') AND has_table_privilege(quote_ident(name), 'INSERT')
  AND has_table_privilege(quote_ident(name), 'UPDATE') AND has_table_privilege(quote_ident(name), 'DELETE')
)
ORDER BY name
