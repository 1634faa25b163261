-- The weights of the queues that a process listens on, as JSON by name; 1 where none stands.
ALTER TABLE worker ADD COLUMN weights text NOT NULL DEFAULT '{}';
