CREATE TABLE IF NOT EXISTS credentials (
  owner text NOT NULL,
  provider text NOT NULL,
  secret bytea NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (owner, provider)
);
