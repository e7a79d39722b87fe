"""Works of which something has changed since they were judged; triggers keep the list.

Every other work follows the policy of its crawl, so that a new threshold asks only for those that
lie between the old value and the new: see :mod:`storage.judging.thresholds`.
"""

from __future__ import annotations

import sqlite3

ODD = "(instr(measures, '\"resolution\":{') = 0 OR instr(measures, '\"failed\":') > 0)"
"""Pictures that have no size by measure or that a filter failed on: judged one by one.

By the text: functions of JSON are not trusted in an index.
"""
TABLES = f"""
CREATE TABLE unjudged (
    crawl_id TEXT NOT NULL REFERENCES crawls(id),
    candidate_id INTEGER NOT NULL REFERENCES candidates(id),
    PRIMARY KEY (crawl_id, candidate_id)
) STRICT, WITHOUT ROWID;
INSERT INTO unjudged SELECT crawl_id, candidate_id FROM works;
CREATE INDEX images_odd ON images(sha256) WHERE {ODD};
"""  # noqa: S608

_CLAIMS = ("tags", "caption", "rating", "width", "height", "bytes", "md5", "format", "animated")
_OLD = ", ".join(f"OLD.{name}" for name in (*_CLAIMS, "unavailable"))
_MARK = "INSERT INTO unjudged SELECT w.crawl_id, w.candidate_id FROM"
_ONCE = "ON CONFLICT DO NOTHING"
"""Not OR IGNORE: in a trigger the word of the statement that fired it would count."""
_TAKEN = "('accepted', 'duplicate')"

TRIGGERS = (
    f"CREATE TRIGGER unjudged_by_claims AFTER UPDATE OF {_OLD.replace('OLD.', '')} ON candidates"
    # Of a lower rung the claims are in a table of its own.
    f" WHEN ({_OLD}) IS NOT ({_OLD.replace('OLD.', 'NEW.')}) OR NEW.rung > 0"
    f" BEGIN {_MARK} works w WHERE w.candidate_id = NEW.id {_ONCE}; END",
    "CREATE TRIGGER unjudged_by_image AFTER UPDATE OF image ON candidates"
    " WHEN OLD.image IS NOT NEW.image"
    f" BEGIN {_MARK} works w WHERE w.candidate_id = NEW.id {_ONCE}; END",
    "CREATE TRIGGER unjudged_by_measures AFTER UPDATE OF measures, stored ON images"
    " WHEN OLD.measures IS NOT NEW.measures OR (NEW.wanted AND NEW.stored < OLD.stored)"
    f" BEGIN {_MARK} candidates c CROSS JOIN works w ON w.candidate_id = c.id"
    f" WHERE c.image = NEW.sha256 {_ONCE}; END",
    "CREATE TRIGGER unjudged_by_work AFTER UPDATE OF state ON works"  # noqa: S608
    " WHEN OLD.state IS NOT NEW.state"
    f" AND NOT (OLD.state IN {_TAKEN} AND NEW.state IN {_TAKEN})"
    # By claims alone a page may reject what its measures would not.
    " AND (OLD.state IN ('failed', 'unavailable') OR (SELECT image FROM candidates"
    " WHERE id = NEW.candidate_id) IS NOT NULL)"
    f" BEGIN INSERT INTO unjudged VALUES (NEW.crawl_id, NEW.candidate_id) {_ONCE}; END",
    "CREATE TRIGGER unjudged_by_listing AFTER INSERT ON works"  # noqa: S608
    " WHEN (SELECT image FROM candidates WHERE id = NEW.candidate_id) IS NOT NULL"
    f" BEGIN INSERT INTO unjudged VALUES (NEW.crawl_id, NEW.candidate_id) {_ONCE}; END",
)


def note_judged(db: sqlite3.Connection, crawl_id: str, candidate_id: int) -> None:
    """A work has the state that its crawl's policy gives it by all that is known now."""
    db.execute(
        "DELETE FROM unjudged WHERE crawl_id = ? AND candidate_id = ?", (crawl_id, candidate_id)
    )
