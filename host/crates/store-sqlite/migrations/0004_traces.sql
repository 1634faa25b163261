-- A run's place in a trace: the trace's id (16 bytes), the id of the span that it was accepted
-- in (8), flags (1), and what vendors have added (W3C tracestate). Null, which costs a row
-- one byte, where traces are off.
ALTER TABLE run ADD COLUMN trace BLOB;
