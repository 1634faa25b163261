-- Who is logged in with a browser. The token itself is nowhere: `digest` is its hash.
CREATE TABLE session (
  digest BLOB PRIMARY KEY,
  account TEXT NOT NULL,
  -- `account.changed_at` at the login: another password ends the session.
  account_changed_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  used_at INTEGER NOT NULL
) WITHOUT ROWID;
