-- Steps that wait and hold no worker. A row stays after the wait, for it counts attempts;
-- one of a step that never waited there is none, and the hot path does not look for it.
-- It takes the place of `timer`, which nothing uses any more and the version before still
-- deletes from.
CREATE TABLE wait (
  step_id INTEGER PRIMARY KEY,
  -- What for: the codes of `model::state::WaitKind`.
  kind INTEGER NOT NULL,
  since INTEGER NOT NULL,
  -- When it is woken, unless something else wakes it; NULL once it was.
  due_at INTEGER,
  -- How often it was woken, and how many attempts failed and were followed by another.
  wakes INTEGER NOT NULL,
  retries INTEGER NOT NULL,
  -- When its first attempt started.
  first_at INTEGER NOT NULL,
  -- Children that it has started; those that have ended; with how many it is woken (0: it
  -- waits for none).
  started INTEGER NOT NULL,
  ended INTEGER NOT NULL,
  wanted INTEGER NOT NULL,
  detail BLOB
) STRICT;
CREATE INDEX wait_due ON wait (due_at) WHERE due_at IS NOT NULL;

-- Children that have ended and that their parent has not counted.
CREATE TABLE child_end (
  parent INTEGER NOT NULL,
  run_id INTEGER NOT NULL,
  PRIMARY KEY (parent, run_id)
) STRICT, WITHOUT ROWID;

-- Attempts that were followed by another: a step's own row has its newest.
CREATE TABLE attempt (
  step_id INTEGER NOT NULL,
  token INTEGER NOT NULL,
  state INTEGER NOT NULL,
  worker INTEGER,
  ready_at INTEGER,
  started_at INTEGER,
  finished_at INTEGER NOT NULL,
  error BLOB,
  PRIMARY KEY (step_id, token)
) STRICT, WITHOUT ROWID;
