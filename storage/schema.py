"""The tables of the catalog, as migrations. Plain tables and JSON columns, so any tool can read."""

from __future__ import annotations

import sqlite3

from sqlite_utils import Database, Migrations

SCHEMA = """
CREATE TABLE crawls (
    id TEXT PRIMARY KEY,
    generation INTEGER NOT NULL,
    source TEXT NOT NULL,
    site TEXT NOT NULL,
    origin TEXT NOT NULL,
    query TEXT NOT NULL,
    resolved TEXT NOT NULL,
    options TEXT NOT NULL,
    predicate TEXT NOT NULL,
    policy TEXT NOT NULL,
    want INTEGER,
    state TEXT NOT NULL,
    note TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE TABLE cursors (
    crawl_id TEXT NOT NULL REFERENCES crawls(id),
    partition INTEGER NOT NULL,
    name TEXT NOT NULL,
    listing TEXT NOT NULL,
    cursor TEXT,
    exhausted INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (crawl_id, partition)
) STRICT, WITHOUT ROWID;
CREATE TABLE candidates (
    id INTEGER PRIMARY KEY,
    site TEXT NOT NULL,
    origin TEXT NOT NULL,
    site_id TEXT NOT NULL,
    page_url TEXT,
    source_url TEXT,
    tags TEXT,
    caption TEXT,
    rating TEXT,
    licence TEXT,
    posted_at TEXT,
    parent TEXT,
    pixel_hash TEXT,
    md5 TEXT,
    width INTEGER,
    height INTEGER,
    bytes INTEGER,
    format TEXT,
    animated INTEGER,
    unavailable TEXT,
    metadata TEXT,
    outcome TEXT,
    reason TEXT,
    image TEXT REFERENCES images(sha256),
    rung INTEGER,
    first_seen_at TEXT NOT NULL,
    read_at TEXT NOT NULL,
    UNIQUE (site, origin, site_id)
) STRICT;
CREATE INDEX candidates_site_id ON candidates(site_id, site);
CREATE INDEX candidates_image ON candidates(image) WHERE image IS NOT NULL;
CREATE INDEX candidates_md5 ON candidates(md5) WHERE md5 IS NOT NULL;
CREATE INDEX candidates_pixel_hash ON candidates(pixel_hash) WHERE pixel_hash IS NOT NULL;
CREATE TABLE rungs (
    candidate_id INTEGER NOT NULL REFERENCES candidates(id),
    position INTEGER NOT NULL,
    kind TEXT NOT NULL,
    location TEXT NOT NULL,
    width INTEGER,
    height INTEGER,
    bytes INTEGER,
    md5 TEXT,
    format TEXT,
    PRIMARY KEY (candidate_id, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    candidate_id INTEGER NOT NULL REFERENCES candidates(id),
    rung INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    sha256 TEXT,
    bytes INTEGER,
    at TEXT NOT NULL
) STRICT;
CREATE INDEX attempts_candidate ON attempts(candidate_id);
CREATE TABLE tags (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    category TEXT NOT NULL,
    UNIQUE (name, category)
) STRICT;
CREATE TABLE candidate_tags (
    tag_id INTEGER NOT NULL REFERENCES tags(id),
    candidate_id INTEGER NOT NULL REFERENCES candidates(id),
    PRIMARY KEY (tag_id, candidate_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX candidate_tags_candidate ON candidate_tags(candidate_id);
CREATE TABLE images (
    sha256 TEXT PRIMARY KEY,
    md5 TEXT NOT NULL,
    format TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    measures TEXT NOT NULL,
    first_seen_at TEXT NOT NULL,
    wanted INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX images_md5 ON images(md5);
CREATE INDEX images_unwanted ON images(bytes) WHERE stored = 1 AND wanted = 0;
CREATE TABLE works (
    crawl_id TEXT NOT NULL REFERENCES crawls(id),
    position INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    candidate_id INTEGER NOT NULL REFERENCES candidates(id),
    state TEXT NOT NULL,
    reason TEXT,
    measured TEXT,
    threshold TEXT,
    filter TEXT,
    duplicate_of INTEGER REFERENCES candidates(id),
    settled_at TEXT,
    PRIMARY KEY (crawl_id, position),
    UNIQUE (crawl_id, candidate_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX works_state ON works(crawl_id, state, reason, position);
CREATE INDEX works_candidate ON works(candidate_id);
CREATE TABLE dropped (
    crawl_id TEXT NOT NULL REFERENCES crawls(id),
    reason TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (crawl_id, reason)
) STRICT, WITHOUT ROWID;
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    sha256 TEXT,
    candidate_id INTEGER,
    crawl_id TEXT,
    payload TEXT NOT NULL,
    at TEXT NOT NULL
) STRICT;
CREATE TABLE consumers (
    name TEXT PRIMARY KEY,
    acked_seq INTEGER NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE TABLE derived (
    id INTEGER PRIMARY KEY,
    parent TEXT NOT NULL,
    stage TEXT NOT NULL,
    version INTEGER NOT NULL,
    parameters TEXT NOT NULL,
    number INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    format TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (parent, stage, version, parameters, number)
) STRICT;
CREATE TABLE exported (
    path TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (path, sha256)
) STRICT, WITHOUT ROWID;
CREATE INDEX exported_sha256 ON exported(sha256);
CREATE TABLE doomed (
    path TEXT NOT NULL,
    line TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (path, line)
) STRICT, WITHOUT ROWID;
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE VIEW accepted AS
    SELECT w.crawl_id, w.position, c.site, c.site_id, c.rating, c.tags, c.page_url, c.source_url,
           i.sha256, i.format, i.width, i.height, i.bytes
    FROM works w JOIN candidates c ON c.id = w.candidate_id JOIN images i ON i.sha256 = c.image
    WHERE w.state = 'accepted';
CREATE VIEW reasons AS
    SELECT crawl_id, state, reason, count(*) AS works
    FROM works GROUP BY crawl_id, state, reason;
"""

TAKEN = "('accepted', 'duplicate')"
WANTED = (
    "UPDATE images SET wanted = EXISTS (SELECT 1 FROM candidates c CROSS JOIN works w"  # noqa: S608
    " ON w.candidate_id = c.id WHERE c.image = images.sha256 AND w.state IN"
    f" {TAKEN}) WHERE sha256 IN"
)
"""Notes whether some crawl takes a picture. Triggers keep it true whoever writes, so that finding
the bytes nobody wants costs nothing while there are few of them."""
TRIGGERS = (
    f"CREATE TRIGGER wanted_by_new_work AFTER INSERT ON works WHEN NEW.state IN {TAKEN}"  # noqa: S608
    f" BEGIN {WANTED} (SELECT image FROM candidates WHERE id = NEW.candidate_id); END",
    "CREATE TRIGGER wanted_by_work AFTER UPDATE OF state ON works"  # noqa: S608
    f" WHEN (OLD.state IN {TAKEN}) != (NEW.state IN {TAKEN})"
    f" BEGIN {WANTED} (SELECT image FROM candidates WHERE id = NEW.candidate_id); END",
    "CREATE TRIGGER wanted_by_candidate AFTER UPDATE OF image ON candidates"
    f" WHEN OLD.image IS NOT NEW.image BEGIN {WANTED} (OLD.image, NEW.image); END",
)

migrations = Migrations("trawl")


@migrations()
def m001_first(db: Database) -> None:
    """The tables as first released."""
    for statement in SCHEMA.split(";\n"):
        if statement.strip():
            db.execute(statement)
    for trigger in TRIGGERS:
        db.execute(trigger)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the catalog to our version; each migration is one transaction."""
    db = Database(connection, execute_plugins=False)
    if migrations.pending(db):
        migrations.apply(db)
