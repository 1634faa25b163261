-- Keys of limits: see `model::limits`. One row for each that somebody holds, waits for or has
-- started with of late.
--
-- Keys are locked after runs, in the order of kind, tenant and key. Rows of `limit_place` with
-- a place of 0 are changed by whoever has locked their key, others by whoever has locked
-- their run; to take one away, both are locked.
CREATE TABLE limit_key (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind smallint NOT NULL,
  tenant_id bigint NOT NULL,
  key text COLLATE "C" NOT NULL,
  -- How many hold a place, how many wait, and the number of the last that came to wait.
  held integer NOT NULL,
  waiting integer NOT NULL,
  last bigint NOT NULL,
  -- Of a rate: the theoretical arrival time by starts, and with those that were called.
  arrival bigint NOT NULL,
  ahead bigint NOT NULL,
  -- Of a rate: when the first of the line is called; NULL: nobody waits.
  due_at bigint,
  -- The limit of whoever asked last: how many; of a rate, the span and the burst.
  most integer NOT NULL,
  per bigint NOT NULL,
  burst integer NOT NULL,
  UNIQUE (kind, tenant_id, key)
) WITH (fillfactor = 50);
CREATE INDEX limit_key_due ON limit_key (due_at) WHERE due_at IS NOT NULL;

-- Steps that hold a key or wait for it. A step has at most one row for each kind.
CREATE TABLE limit_place (
  run_id bigint NOT NULL,
  step integer NOT NULL,
  key_id bigint NOT NULL,
  -- The codes of `model::limits::Place`.
  place smallint NOT NULL,
  -- Its number in the line; kept by one that was called too late and comes back.
  number bigint NOT NULL,
  since bigint NOT NULL,
  -- Its own limit.
  most integer NOT NULL,
  per bigint NOT NULL,
  burst integer NOT NULL,
  PRIMARY KEY (run_id, step, key_id)
);
CREATE INDEX limit_line ON limit_place (key_id, number) WHERE place = 0;
CREATE INDEX limit_handed ON limit_place (since) WHERE place = 1;
CREATE INDEX limit_holder ON limit_place (key_id, since) WHERE place > 0;
