-- The ledger of knowhub 0.1 as it first was: what an upgrade in place starts from.
CREATE TABLE IF NOT EXISTS sources (
    source TEXT PRIMARY KEY, cursor TEXT, revision INTEGER NOT NULL DEFAULT 0, sequence INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS items (
    source TEXT NOT NULL, item TEXT NOT NULL, container TEXT NOT NULL, location TEXT NOT NULL DEFAULT '',
    version TEXT NOT NULL DEFAULT '', parts INTEGER NOT NULL DEFAULT 1, sequence INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', title TEXT NOT NULL DEFAULT '',
    deleted INTEGER NOT NULL DEFAULT 0, indexed INTEGER NOT NULL DEFAULT 0,
    indexed_sequence INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (source, item)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS items_by_sequence ON items (source, sequence);
CREATE TABLE IF NOT EXISTS containers (
    source TEXT NOT NULL, container TEXT NOT NULL, name TEXT NOT NULL, expected INTEGER, gap TEXT NOT NULL DEFAULT '',
    seen_at TEXT, PRIMARY KEY (source, container)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batches (
    source TEXT NOT NULL, sequence INTEGER NOT NULL, id TEXT NOT NULL, timestamp TEXT NOT NULL, stage TEXT NOT NULL,
    key TEXT, records INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
    dead INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (source, sequence)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS batches_at_work ON batches (stage, source) WHERE stage <> 'done';
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL, what TEXT NOT NULL, state TEXT NOT NULL, started_at TEXT NOT NULL,
    finished_at TEXT, summary TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS runs_by_source ON runs (source, id);
CREATE TABLE IF NOT EXISTS leases (
    name TEXT PRIMARY KEY, owner TEXT NOT NULL, expires_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
