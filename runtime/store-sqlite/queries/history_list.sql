SELECT history.flow AS "flow!", history.place AS "place!", history.prompt AS "prompt!", named.hash AS "hash?",
       history.model AS "model!", sum(history.calls) AS "calls!: i64", sum(history.cache_hits) AS "cache_hits!: i64",
       sum(history.failures) AS "failures!: i64", sum(history.input_tokens) AS "input_tokens!: i64",
       sum(history.output_tokens) AS "output_tokens!: i64", sum(history.latency_us) AS "latency_us!: i64",
       sum(history.cost_pico) AS "cost_pico!: i64"
FROM step_history AS history
LEFT JOIN plan_prompts AS named ON named.plan_id = history.plan_id AND named.prompt = history.prompt
WHERE history.flow = ?
GROUP BY history.flow, history.place, history.prompt, named.hash, history.model
ORDER BY history.place, history.prompt, named.hash, history.model
