-- Who is logged in with a browser. The token itself is nowhere: `digest` is its hash.
CREATE TABLE session (
  digest bytea PRIMARY KEY,
  account text COLLATE "C" NOT NULL,
  -- `account.changed_at` at the login: another password ends the session.
  account_changed_at bigint NOT NULL,
  created_at bigint NOT NULL,
  used_at bigint NOT NULL
);
