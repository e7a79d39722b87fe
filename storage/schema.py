"""The tables of the catalog, as migrations. Plain tables and JSON columns, so any tool can read."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from sqlite_utils import Database, Migrations

from storage import unjudged

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

ANSWERS = """
ALTER TABLE candidates ADD COLUMN side INTEGER;
ALTER TABLE candidates ADD COLUMN pixels INTEGER;
UPDATE candidates SET (side, pixels) = {size};
UPDATE crawls SET policy = json_remove(policy, '$.forced');
UPDATE images SET measures = json_set(measures, '$.resolution.side', min(width, height),
    '$.resolution.pixels', width * height) WHERE measures ->> '$.resolution.width' IS NOT NULL;
DROP INDEX works_candidate;
CREATE INDEX works_candidate ON works(candidate_id, state, reason, filter);
DROP INDEX works_state;
CREATE INDEX works_state ON works(crawl_id, state, reason, candidate_id);
CREATE INDEX works_unsettled ON works(crawl_id, position) WHERE state IN ('pending', 'waiting');
CREATE INDEX candidates_side ON candidates(side);
CREATE INDEX candidates_pixels ON candidates(pixels);
CREATE INDEX candidates_posted ON candidates(posted_at);
CREATE INDEX events_candidate ON events(candidate_id);
CREATE INDEX events_sha256 ON events(sha256);
CREATE INDEX derived_sha256 ON derived(sha256, bytes);
CREATE TABLE tallies (
    crawl_id TEXT NOT NULL REFERENCES crawls(id),
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    works INTEGER NOT NULL,
    PRIMARY KEY (crawl_id, state, reason)
) STRICT, WITHOUT ROWID;
INSERT INTO tallies
    SELECT crawl_id, state, coalesce(reason, ''), count(*) FROM works GROUP BY 1, 2, 3;
CREATE TABLE kept (
    wanted INTEGER PRIMARY KEY,
    files INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT;
INSERT INTO kept SELECT w.wanted, count(i.sha256), coalesce(sum(i.bytes), 0)
    FROM (SELECT 0 AS wanted UNION SELECT 1) w
    LEFT JOIN images i ON i.wanted = w.wanted AND i.stored = 1 GROUP BY 1;
CREATE TABLE actions (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    about TEXT NOT NULL,
    before TEXT NOT NULL,
    at TEXT NOT NULL,
    undone_at TEXT
) STRICT;
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY,
    candidate_id INTEGER UNIQUE REFERENCES candidates(id),
    picture TEXT UNIQUE,
    decision TEXT NOT NULL,
    action_id INTEGER NOT NULL REFERENCES actions(id),
    at TEXT NOT NULL
) STRICT;
CREATE TABLE decided (
    action_id INTEGER NOT NULL REFERENCES actions(id),
    candidate_id INTEGER REFERENCES candidates(id),
    picture TEXT,
    before TEXT
) STRICT;
CREATE INDEX decided_action ON decided(action_id);
CREATE INDEX decided_candidate ON decided(candidate_id);
CREATE INDEX decided_picture ON decided(picture);
CREATE TABLE deliveries (
    consumer TEXT NOT NULL,
    seq INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at REAL,
    error TEXT,
    PRIMARY KEY (consumer, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries(consumer, due_at) WHERE state = 'retry';
ALTER TABLE consumers ADD COLUMN kinds TEXT;
ALTER TABLE consumers ADD COLUMN crawl_id TEXT;
CREATE VIEW tagged AS
    SELECT t.name AS tag, t.category, c.site, c.site_id, w.crawl_id, w.state, w.reason
    FROM works w JOIN candidates c ON c.id = w.candidate_id
    JOIN candidate_tags ct ON ct.candidate_id = c.id JOIN tags t ON t.id = ct.tag_id;
DROP VIEW reasons;
CREATE VIEW reasons AS
    SELECT crawl_id, state, nullif(reason, '') AS reason, works FROM tallies WHERE works > 0;
"""
"""What questions of a million works need: sizes as they are known, counts that are kept, the words
of people (actions, decisions) and consumers that answer out of order (deliveries)."""

_SIZE = (
    "(SELECT CASE WHEN w > 0 AND h > 0 THEN min(w, h) WHEN w > 0 THEN w WHEN h > 0 THEN h END,"
    # Larger sides have an area that is no number to SQLite: a site may claim anything.
    " CASE WHEN w BETWEEN 1 AND 3037000499 AND h BETWEEN 1 AND 3037000499 THEN w * h END"
    " FROM (SELECT"
    " coalesce((SELECT i.width FROM images i WHERE i.sha256 = candidates.image), width) AS w,"
    " coalesce((SELECT i.height FROM images i WHERE i.sha256 = candidates.image), height) AS h))"
)
"""Shorter side and area of a candidate's picture where it was decoded, else as is claimed; zero is
how some sites say that they do not know."""


def _counted(sign: int, row: str) -> str:
    """SQL that counts a work in or out."""
    return (
        f"INSERT INTO tallies VALUES ({row}.crawl_id, {row}.state, coalesce({row}.reason, ''),"  # noqa: S608
        f" {sign}) ON CONFLICT DO UPDATE SET works = works + {sign}"
    )


def _weighed(sign: str, row: str) -> str:
    """SQL that takes a file in or out of what is kept."""
    return (
        f"UPDATE kept SET files = files {sign} 1, bytes = bytes {sign} {row}.bytes"  # noqa: S608
        f" WHERE wanted = {row}.wanted AND {row}.stored = 1"
    )


KEEPERS = (
    f"CREATE TRIGGER tally_new AFTER INSERT ON works BEGIN {_counted(1, 'NEW')}; END",
    "CREATE TRIGGER tally_moved AFTER UPDATE OF state, reason ON works"
    " WHEN OLD.state IS NOT NEW.state OR OLD.reason IS NOT NEW.reason"
    f" BEGIN {_counted(-1, 'OLD')}; {_counted(1, 'NEW')}; END",
    f"CREATE TRIGGER tally_gone AFTER DELETE ON works BEGIN {_counted(-1, 'OLD')}; END",
    f"CREATE TRIGGER kept_new AFTER INSERT ON images BEGIN {_weighed('+', 'NEW')}; END",
    "CREATE TRIGGER kept_changed AFTER UPDATE OF stored, wanted, bytes ON images"
    f" BEGIN {_weighed('-', 'OLD')}; {_weighed('+', 'NEW')}; END",
    f"CREATE TRIGGER kept_gone AFTER DELETE ON images BEGIN {_weighed('-', 'OLD')}; END",
    "CREATE TRIGGER size_known AFTER UPDATE OF image, width, height ON candidates"  # noqa: S608
    f" BEGIN UPDATE candidates SET (side, pixels) = {_SIZE} WHERE id = NEW.id; END",
    *unjudged.TRIGGERS,
)
"""Triggers that keep what is counted true, whoever writes."""

migrations = Migrations("trawl")


@migrations()
def m001_first(db: Database) -> None:
    """The tables as first released."""
    _run(db, SCHEMA, TRIGGERS)


@migrations()
def m002_answers(db: Database) -> None:
    """Counts, sizes and the words of people, so that a catalog of a million works answers."""
    _run(db, ANSWERS.replace("{size}", _SIZE) + unjudged.TABLES, KEEPERS)


def _run(db: Database, script: str, triggers: Sequence[str]) -> None:
    for statement in script.split(";\n"):
        if statement.strip():
            db.execute(statement)
    for trigger in triggers:
        db.execute(trigger)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the catalog to our version; each migration is one transaction."""
    db = Database(connection, execute_plugins=False)
    if migrations.pending(db):
        migrations.apply(db)
