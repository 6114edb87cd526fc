SELECT binding.execution_id AS "execution_id!", binding.instance AS "instance!", binding.name AS "name!", binding.value AS "value!"
FROM bindings AS binding
WHERE binding.execution_id = ANY($1::bigint[])
ORDER BY binding.instance, binding.name
