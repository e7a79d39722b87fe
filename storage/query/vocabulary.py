"""What a catalog knows: the words that a query of it can be about."""

from __future__ import annotations

import difflib
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

from storage.rows import loads

_SAMPLE = 50
"""Pictures at either end of the catalog whose measures are looked at."""
_ALIKE = 2
"""Letters that a slip of the finger leaves alone, mostly."""
_NOT_MEASURED = frozenset({"version", "failed"})


class Vocabulary:
    """Answers :class:`.language.Known` from a catalog; each list is read when first needed."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    @cached_property
    def reasons(self) -> Sequence[str]:
        """Every reason that some work has or had."""
        found = self._db.execute(
            "SELECT DISTINCT reason FROM tallies WHERE reason != '' ORDER BY reason"
        ).fetchall()
        return [row[0] for row in found]

    @cached_property
    def crawls(self) -> Sequence[str]:
        """The ids of all crawls, the newest first."""
        found = self._db.execute("SELECT id FROM crawls ORDER BY rowid DESC").fetchall()
        return [row[0] for row in found]

    @cached_property
    def sites(self) -> Collection[str]:
        """The sites of all crawls."""
        return {row[0] for row in self._db.execute("SELECT DISTINCT site FROM crawls").fetchall()}

    @cached_property
    def measures(self) -> Mapping[str, type]:
        """``FILTER.MEASURE`` -> ``float`` or ``str``, as the oldest and newest pictures have them.

        What is None in all of these is taken for a number.
        """
        sample = [
            row[0]
            for order in ("ASC", "DESC")
            for row in self._db.execute(
                f"SELECT measures FROM images ORDER BY rowid {order} LIMIT {_SAMPLE}"  # noqa: S608
            ).fetchall()
        ]
        found: dict[str, type] = {}
        for text in sample:
            for filter, measured in loads(text).items():
                for name, value in measured.items():
                    if name not in _NOT_MEASURED:
                        known = found.get(f"{filter}.{name}", float)
                        found[f"{filter}.{name}"] = str if isinstance(value, str) else known
        return dict(sorted(found.items()))

    def is_tag(self, name: str) -> bool:
        """Whether the catalog knows this tag."""
        found = self._db.execute("SELECT 1 FROM tags WHERE name = ? LIMIT 1", (name,))
        return found.fetchone() is not None

    def close_tags(self, name: str) -> list[str]:
        """Tags that begin alike and are spelt most nearly so."""
        plain = name.replace(" ", "_")
        found: list[str] = []
        for spelt in dict.fromkeys((plain, plain.lower())):
            begins = spelt[:_ALIKE]
            known = self._db.execute(
                "SELECT DISTINCT name FROM tags WHERE name >= ? AND name < ? LIMIT 2000",
                (begins, begins + "\U0010ffff"),
            ).fetchall()
            found += difflib.get_close_matches(spelt, [row[0] for row in known], n=3)
        return list(dict.fromkeys(found))[:3]
