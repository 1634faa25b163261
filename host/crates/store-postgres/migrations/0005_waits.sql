-- Steps that wait and hold no worker. A row stays after the wait, for it counts attempts;
-- one of a step that never waited there is none, and the hot path does not look for it.
-- It takes the place of `timer`, which nothing uses any more and the version before still
-- deletes from.
CREATE TABLE wait (
  run_id bigint NOT NULL,
  step integer NOT NULL,
  -- What for: the codes of `model::state::WaitKind`.
  kind smallint NOT NULL,
  since bigint NOT NULL,
  -- When it is woken, unless something else wakes it; NULL once it was.
  due_at bigint,
  -- How often it was woken, and how many attempts failed and were followed by another.
  wakes bigint NOT NULL,
  retries integer NOT NULL,
  -- When its first attempt started.
  first_at bigint NOT NULL,
  -- Children that it has started; those that have ended; with how many it is woken (0: it
  -- waits for none).
  started integer NOT NULL,
  ended integer NOT NULL,
  wanted integer NOT NULL,
  detail bytea,
  PRIMARY KEY (run_id, step)
) WITH (fillfactor = 80);
CREATE INDEX wait_due ON wait (due_at) WHERE due_at IS NOT NULL;

-- Children that have ended and that their parent has not counted. Written by the commit
-- that ends the child, which need not lock its parent.
CREATE TABLE child_end (
  parent_run bigint NOT NULL,
  parent_step integer NOT NULL,
  run_id bigint NOT NULL,
  PRIMARY KEY (parent_run, parent_step, run_id)
);

-- Attempts that were followed by another: a step's own row has its newest.
CREATE TABLE attempt (
  run_id bigint NOT NULL,
  step integer NOT NULL,
  token bigint NOT NULL,
  state smallint NOT NULL,
  worker bigint,
  ready_at bigint,
  started_at bigint,
  finished_at bigint NOT NULL,
  error bytea,
  PRIMARY KEY (run_id, step, token)
);
