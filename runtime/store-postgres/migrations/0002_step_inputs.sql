-- The digest of what a step was given, by which a later run knows whether its result still answers the same question.
ALTER TABLE node_executions ADD COLUMN input_key text;
