CREATE TABLE IF NOT EXISTS runs (
  id uuid PRIMARY KEY,
  origin text NOT NULL,
  owner text NOT NULL,
  prompt text NOT NULL,
  status text NOT NULL DEFAULT 'queued',
  instance text,
  result jsonb,
  embedding vector,
  created_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  lease_until timestamptz
);
CREATE INDEX IF NOT EXISTS runs_created ON runs (created_at DESC);
CREATE INDEX IF NOT EXISTS runs_open ON runs (created_at) WHERE status <> 'done';
