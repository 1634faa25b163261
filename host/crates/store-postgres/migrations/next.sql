-- What a later version might add, for the test that two versions work side by side. No version has it.

-- A column with a default, on the busiest table.
ALTER TABLE step ADD COLUMN next_note text NOT NULL DEFAULT '';
-- One that is null in the rows of older versions.
ALTER TABLE run ADD COLUMN next_deadline bigint;
CREATE INDEX run_next_deadline ON run (next_deadline) WHERE next_deadline IS NOT NULL;
CREATE TABLE next_approval (
  run_id bigint NOT NULL REFERENCES run (id) ON DELETE CASCADE,
  step integer NOT NULL,
  asked_at bigint NOT NULL,
  PRIMARY KEY (run_id, step)
);
