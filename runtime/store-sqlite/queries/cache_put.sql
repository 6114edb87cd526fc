INSERT INTO prompt_cache (key, value, flow, prompt, at)
SELECT value ->> 'key',
       value ->> 'value',
       value ->> 'flow',
       value ->> 'prompt',
       value ->> 'at'
FROM jsonb_each(?)
WHERE true
ON CONFLICT (key) DO UPDATE SET value = excluded.value, flow = excluded.flow, prompt = excluded.prompt, at = excluded.at
