SELECT history.flow AS "flow!", history.place AS "place!", history.prompt AS "prompt!", named.hash AS "hash?",
       history.model AS "model!", least(sum(history.calls), 9223372036854775807)::bigint AS "calls!",
       least(sum(history.cache_hits), 9223372036854775807)::bigint AS "cache_hits!",
       least(sum(history.failures), 9223372036854775807)::bigint AS "failures!",
       least(sum(history.input_tokens), 9223372036854775807)::bigint AS "input_tokens!",
       least(sum(history.output_tokens), 9223372036854775807)::bigint AS "output_tokens!",
       least(sum(history.latency_us), 9223372036854775807)::bigint AS "latency_us!",
       least(sum(history.cost_pico), 9223372036854775807)::bigint AS "cost_pico!"
FROM step_history AS history
LEFT JOIN plan_prompts AS named ON named.plan_id = history.plan_id AND named.prompt = history.prompt
WHERE history.flow = $1
GROUP BY history.flow, history.place, history.prompt, named.hash, history.model
ORDER BY history.place, history.prompt, named.hash NULLS FIRST, history.model
