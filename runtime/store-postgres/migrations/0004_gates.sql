-- What the calls of one provider's key, or of one connector, may do: limits, what was heard of them, models out of service.
-- All processes share it; the JSON is the ledger's own, and what is lost of it is learnt again.
CREATE TABLE rate_gates (
  name            text   COLLATE "C" PRIMARY KEY,
  state           text   NOT NULL
);
