-- What waiting steps ask of the outside: a person's decision, or a message under a key. A row
-- goes when its step waits no more.
CREATE TABLE ask (
  step_id INTEGER PRIMARY KEY,
  tenant_id INTEGER NOT NULL,
  -- The codes of `model::state::WaitKind`.
  kind INTEGER NOT NULL,
  key TEXT NOT NULL,
  asked_at INTEGER NOT NULL,
  until INTEGER,
  detail BLOB NOT NULL
) STRICT;
CREATE INDEX ask_key ON ask (tenant_id, kind, key, step_id);

-- Messages from outside that no step was waiting for, or whose id is remembered.
CREATE TABLE signal (
  id INTEGER PRIMARY KEY,
  tenant_id INTEGER NOT NULL,
  key TEXT NOT NULL,
  -- The sender's id: a second one of the same is the same message.
  sender_id TEXT,
  body BLOB NOT NULL,
  sent_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  -- Whether a step has been given it.
  taken INTEGER NOT NULL
) STRICT;
CREATE INDEX signal_kept ON signal (tenant_id, key, id) WHERE taken = 0;
CREATE UNIQUE INDEX signal_sender ON signal (tenant_id, key, sender_id) WHERE sender_id IS NOT NULL;
CREATE INDEX signal_expiry ON signal (expires_at);

-- A run of one step of its application, for an element of a list: which step.
ALTER TABLE run ADD COLUMN part INTEGER;
