SELECT binding.instance AS "instance!", binding.name AS "name!", binding.value AS "value!"
FROM bindings AS binding
WHERE binding.execution_id = $1
ORDER BY binding.instance, binding.name
