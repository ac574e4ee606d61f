CREATE TABLE IF NOT EXISTS logins (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  email text NOT NULL,
  succeeded boolean NOT NULL,
  client text NOT NULL,
  instance text NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS logins_at ON logins (at DESC);
