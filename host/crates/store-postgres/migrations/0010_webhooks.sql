-- What starts runs when somebody outside calls, and what became of the calls.
CREATE TABLE webhook (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id bigint NOT NULL REFERENCES tenant (id),
  name text COLLATE "C" NOT NULL,
  -- What its address ends with.
  public_id bytea NOT NULL UNIQUE,
  application text COLLATE "C" NOT NULL,
  document text NOT NULL,
  -- Encrypted.
  secrets text NOT NULL,
  revision bigint NOT NULL DEFAULT 1,
  -- Deliveries so far: their sum is the newest one's number.
  proven bigint NOT NULL DEFAULT 0,
  unproven bigint NOT NULL DEFAULT 0,
  edited_by text NOT NULL,
  edited_at bigint NOT NULL,
  created_at bigint NOT NULL,
  UNIQUE (tenant_id, name)
) WITH (fillfactor = 50);

-- A ring for each webhook: a new delivery takes the place of the oldest. Those that proved
-- who sent them have places from 0 on, the others negative ones.
CREATE TABLE delivery (
  webhook_id bigint NOT NULL,
  place bigint NOT NULL,
  number bigint NOT NULL,
  at bigint NOT NULL,
  address text NOT NULL,
  outcome smallint NOT NULL,
  run_uuid uuid,
  reason text,
  size bigint NOT NULL,
  digest bytea NOT NULL,
  repeats bigint,
  -- What was received, encrypted.
  kept text,
  PRIMARY KEY (webhook_id, place)
);
CREATE INDEX delivery_number ON delivery (webhook_id, number);
CREATE INDEX delivery_at ON delivery (at);
