-- What waiting steps ask of the outside: a person's decision, or a message under a key. A row
-- goes when its step waits no more.
CREATE TABLE ask (
  run_id bigint NOT NULL,
  step integer NOT NULL,
  tenant_id bigint NOT NULL,
  -- The codes of `model::state::WaitKind`.
  kind smallint NOT NULL,
  key text COLLATE "C" NOT NULL,
  asked_at bigint NOT NULL,
  until bigint,
  detail bytea NOT NULL,
  PRIMARY KEY (run_id, step)
);
CREATE INDEX ask_key ON ask (tenant_id, kind, key, run_id, step);

-- Messages from outside that no step was waiting for, or whose id is remembered.
CREATE TABLE signal (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id bigint NOT NULL,
  key text COLLATE "C" NOT NULL,
  -- The sender's id: a second one of the same is the same message.
  sender_id text COLLATE "C",
  body bytea NOT NULL,
  sent_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  -- Whether a step has been given it.
  taken boolean NOT NULL
);
CREATE INDEX signal_kept ON signal (tenant_id, key, id) WHERE NOT taken;
CREATE UNIQUE INDEX signal_sender ON signal (tenant_id, key, sender_id) WHERE sender_id IS NOT NULL;
CREATE INDEX signal_expiry ON signal (expires_at);

-- A run of one step of its application, for an element of a list: which step.
ALTER TABLE run ADD COLUMN part integer;
