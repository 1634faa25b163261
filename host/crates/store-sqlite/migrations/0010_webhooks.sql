-- What starts runs when somebody outside calls, and what became of the calls.
CREATE TABLE webhook (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant_id INTEGER NOT NULL REFERENCES tenant (id),
  name TEXT NOT NULL,
  -- What its address ends with.
  public_id BLOB NOT NULL UNIQUE,
  application TEXT NOT NULL,
  document TEXT NOT NULL,
  -- Encrypted.
  secrets TEXT NOT NULL,
  revision INTEGER NOT NULL DEFAULT 1,
  -- Deliveries so far: their sum is the newest one's number.
  proven INTEGER NOT NULL DEFAULT 0,
  unproven INTEGER NOT NULL DEFAULT 0,
  edited_by TEXT NOT NULL,
  edited_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (tenant_id, name)
) STRICT;

-- A ring for each webhook: a new delivery takes the place of the oldest. Those that proved
-- who sent them have places from 0 on, the others negative ones.
CREATE TABLE delivery (
  webhook_id INTEGER NOT NULL,
  place INTEGER NOT NULL,
  number INTEGER NOT NULL,
  at INTEGER NOT NULL,
  address TEXT NOT NULL,
  outcome INTEGER NOT NULL,
  run_uuid BLOB,
  reason TEXT,
  size INTEGER NOT NULL,
  digest BLOB NOT NULL,
  repeats INTEGER,
  -- What was received, encrypted.
  kept TEXT,
  PRIMARY KEY (webhook_id, place)
) STRICT;
CREATE INDEX delivery_number ON delivery (webhook_id, number);
CREATE INDEX delivery_at ON delivery (at);
