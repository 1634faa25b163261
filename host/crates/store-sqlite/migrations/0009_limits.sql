-- Keys of limits: see `model::limits`. One row for each that somebody holds, waits for or has
-- started with of late.
CREATE TABLE limit_key (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind INTEGER NOT NULL,
  tenant_id INTEGER NOT NULL,
  key TEXT NOT NULL,
  -- How many hold a place, how many wait, and the number of the last that came to wait.
  held INTEGER NOT NULL,
  waiting INTEGER NOT NULL,
  last INTEGER NOT NULL,
  -- Of a rate: the theoretical arrival time by starts, and with those that were called.
  arrival INTEGER NOT NULL,
  ahead INTEGER NOT NULL,
  -- Of a rate: when the first of the line is called; NULL: nobody waits.
  due_at INTEGER,
  -- The limit of whoever asked last: how many; of a rate, the span and the burst.
  most INTEGER NOT NULL,
  per INTEGER NOT NULL,
  burst INTEGER NOT NULL,
  UNIQUE (kind, tenant_id, key)
) STRICT;
CREATE INDEX limit_key_due ON limit_key (due_at) WHERE due_at IS NOT NULL;

-- Steps that hold a key or wait for it. A step has at most one row for each kind.
CREATE TABLE limit_place (
  step_id INTEGER NOT NULL,
  key_id INTEGER NOT NULL,
  -- The codes of `model::limits::Place`.
  place INTEGER NOT NULL,
  -- Its number in the line; kept by one that was called too late and comes back.
  number INTEGER NOT NULL,
  since INTEGER NOT NULL,
  -- Its own limit.
  most INTEGER NOT NULL,
  per INTEGER NOT NULL,
  burst INTEGER NOT NULL,
  PRIMARY KEY (step_id, key_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX limit_line ON limit_place (key_id, number) WHERE place = 0;
CREATE INDEX limit_handed ON limit_place (since) WHERE place = 1;
CREATE INDEX limit_holder ON limit_place (key_id, since) WHERE place > 0;
