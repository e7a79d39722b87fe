"""A catalog as large as a year of crawling leaves, made by a script: seeded, realistic, no files.

One large crawl and several small ones of a booru. Tags follow Zipf's law over a vocabulary of
50,000; 55 % of the works are accepted, 25 % rejected for several reasons (half of them never
fetched), the rest duplicates, failed, unavailable, and pending at the end of the large crawl.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import note
from crawler.plugins import judge
from storage import crawls
from storage.candidates import name_tags
from storage.database import open_writer
from storage.records import Candidate, CrawlSpec
from storage.schema import KEEPERS, TRIGGERS

VOCABULARY = 50_000
CHUNK = 10_000
SMALL_CRAWLS = 6
ORIGIN = "https://danbooru.example"
COMMON: Mapping[str, float] = {
    "1girl": 0.6, "solo": 0.5, "comic": 0.05, "monochrome": 0.04, "hat": 0.12,
}  # fmt: skip
"""Tags of a known share; the others are drawn by Zipf's law."""
REFUSED = ("comic", "monochrome")
"""Those for which a work is rejected before it is fetched."""
RATINGS = ("g", "s", "q")
"""Those that the crawls ask for."""
SIZES = (
    *((1200, 1700), (1920, 1080), (2480, 3508), (1000, 1414), (2048, 2048), (850, 1200)),
    *((4000, 3000), (1600, 1200), (3000, 4000), (1448, 2048)),
)


@dataclass
class Rows:
    """What one chunk of works adds to each table."""

    candidates: list[tuple[Any, ...]] = field(default_factory=list)
    rungs: list[tuple[Any, ...]] = field(default_factory=list)
    tags: list[tuple[int, int]] = field(default_factory=list)
    images: list[tuple[Any, ...]] = field(default_factory=list)
    works: list[tuple[Any, ...]] = field(default_factory=list)
    attempts: list[tuple[Any, ...]] = field(default_factory=list)
    events: list[tuple[Any, ...]] = field(default_factory=list)


def build(
    path: Path, works: int, *, seed: int = 1, pending: bool = False, origin: str = ORIGIN
) -> list[str]:
    """Fill a new catalog; returns the ids of its crawls, the large one first.

    With ``pending`` it is one crawl of which every work still waits for its turn.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(open_writer(path)) as db:
        db.execute("PRAGMA synchronous=OFF")
        db.execute("PRAGMA cache_size=-400000")
        ids = [_crawl(db, n, origin) for n in range(1 if pending else SMALL_CRAWLS + 1)]
        vocabulary = _vocabulary(db)
        draw = _Draw(np.random.default_rng(seed), vocabulary, ids, works, pending, origin)
        with _without_upkeep(db):
            for start in range(0, works, CHUNK):
                db.execute("BEGIN")
                _insert(db, draw.chunk(start + 1, min(start + CHUNK, works)))
                db.execute("COMMIT")
                if start % (10 * CHUNK) == 0:
                    note(f"{start:,} works")
        note("indexes")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return ids


def _crawl(db: sqlite3.Connection, number: int, origin: str) -> str:
    spec = CrawlSpec("danbooru", "danbooru", origin, f"tag_{number}", {})
    policy = judge().policy({"content": {"ratings": RATINGS}}).to_json()
    made = crawls.create(
        db,
        spec,
        resolved=spec.query,
        predicate={},
        policy=policy,
        want=None,
        partitions=[("all", {})],
    )
    crawls.set_exhausted(db, made.id, 0, True)
    crawls.update(db, made.id, state="stopped")
    return made.id


@dataclass
class _Vocabulary:
    ids: Mapping[str, int]
    names: list[str]
    categories: list[str]


def _vocabulary(db: sqlite3.Connection) -> _Vocabulary:
    general = [*COMMON, *(f"general_tag_{n}" for n in range(VOCABULARY - len(COMMON) - 12_000))]
    artists = [f"artist_{n}" for n in range(10_000)]
    characters = [f"character_{n}_(series)" for n in range(2_000)]
    categories = {"general": general, "artist": artists, "character": characters}
    names = {category: tuple(tags) for category, tags in categories.items()}
    name_tags(db, [Candidate("", "", "", tags=names)])
    found = db.execute("SELECT id, name, category FROM tags ORDER BY id").fetchall()
    ids = {row["name"]: row["id"] for row in found}
    ordered = [name for tags in names.values() for name in tags]
    return _Vocabulary(ids, ordered, [c for c, tags in names.items() for _ in tags])


class _Draw:
    """Draws works, always the same for one seed."""

    def __init__(
        self,
        rng: np.random.Generator,
        vocabulary: _Vocabulary,
        ids: list[str],
        works: int,
        pending: bool,
        origin: str,
    ) -> None:
        self._origin = origin
        self._rng, self._words, self._ids, self._pending = rng, vocabulary, ids, pending
        self._works = works
        ranks = np.arange(len(COMMON), VOCABULARY - 12_000)
        weights = 1 / (ranks + 8.0)
        self._general = np.cumsum(weights / weights.sum())
        self._positions = dict.fromkeys(ids, 0)
        self._large = works if pending else int(works * 0.8)
        self._last_image: str | None = None
        self._last_accepted = 0
        self._last_size = SIZES[0]

    def chunk(self, first: int, last: int) -> Rows:
        rows, count = Rows(), last - first + 1
        rng = self._rng
        common = {name: rng.random(count) < share for name, share in COMMON.items()}
        drawn = np.searchsorted(self._general, rng.random((count, 9))) + len(COMMON)
        artists = VOCABULARY - 12_000 + (rng.zipf(1.3, count) % 10_000)
        characters = VOCABULARY - 2_000 + (rng.zipf(1.4, count) % 2_000)
        fates = rng.random((count, 4))
        for n in range(count):
            picks = {self._words.names[i] for i in drawn[n]}
            picks |= {name for name, has in common.items() if has[n]}
            picks -= {*REFUSED} if self._pending else set()
            tags = {
                "artist": [self._words.names[artists[n]]],
                "character": [self._words.names[characters[n]]],
                "general": sorted(picks),
            }
            self._work(rows, first + n, tags, fates[n])
        return rows

    def _work(
        self, rows: Rows, number: int, tags: dict[str, list[str]], fate: np.ndarray[Any, Any]
    ) -> None:
        width, height = SIZES[int(fate[1] * len(SIZES))]
        width, height = width + number % 97, height + number % 89
        crawl = self._crawl_of(number)
        state, reason, by = self._fate(number, float(fate[0]), tags)
        if reason == "too_small":
            width, height = width // 5, height // 5
        if state == "duplicate":
            width, height = self._last_size
        digest = hashlib.sha256(str(number).encode()).hexdigest()
        image = None
        if state in ("accepted", "duplicate") or (state == "rejected" and by == "quality"):
            image = digest if state != "duplicate" or not self._last_image else self._last_image
        if image == digest:
            kept = state == "accepted"
            rows.images.append(_image(digest, width, height, reason, kept, fate))
        outcome = "fetched" if image == digest else "known" if image else None
        outcome = state if state in ("failed", "unavailable") else outcome
        rows.candidates.append(
            _candidate(
                number, self._origin, tags, (width, height), digest, image, outcome, reason, fate
            )
        )
        for words in tags.values():
            rows.tags += [(self._words.ids[word], number) for word in words]
        location = f"{self._origin}/original/{digest[:2]}/{digest[2:4]}/{digest[:32]}.jpg"
        rows.rungs.append((number, 0, "url", location, width, height, 900_000, digest[:32], "jpg"))
        at = "2026-01-01T00:00:00.000+00:00"
        if image or state == "failed":
            told = None if image else reason
            rows.attempts.append((number, 0, outcome or "failed", told, image, 900_000, at))
        duplicate_of = self._last_accepted if state == "duplicate" else None
        ruling = (state, reason, *_evidence(reason, width, height), by, duplicate_of)
        rows.works.append((crawl, self._position(crawl), 0, number, *ruling, at))
        if number <= self._large and number % 50 == 0 and not self._pending:
            other = self._ids[1 + number // 50 % SMALL_CRAWLS]
            rows.works.append((other, self._position(other), 0, number, *ruling, at))
        if state == "accepted":
            self._last_image, self._last_accepted = digest, number
            self._last_size = width, height
            payload = '{"live":true,"path":"files/x"}'
            rows.events.append(("accepted", digest, number, crawl, payload, at))

    def _crawl_of(self, number: int) -> str:
        if number <= self._large:
            return self._ids[0]
        rest = max(1, self._works - self._large)
        return self._ids[1 + (number - self._large - 1) * SMALL_CRAWLS // rest]

    def _position(self, crawl: str) -> int:
        self._positions[crawl] += 1
        return self._positions[crawl]

    def _fate(
        self, number: int, roll: float, tags: Mapping[str, list[str]]
    ) -> tuple[str, str | None, str | None]:
        for tag in REFUSED:
            if tag in tags["general"]:
                return "rejected", tag, "site_tags"
        if self._pending or self._large * 0.9 < number <= self._large:
            return "pending", None, None
        if roll < 0.62:
            return "accepted", None, None
        if roll < 0.68:
            return "rejected", *(("rating", "content"), ("too_small", "resolution"))[number % 2]
        if roll < 0.83:
            return "rejected", ("blurred", "low_quality")[number % 2], "quality"
        if roll < 0.90:
            return "duplicate", "same_file", None
        if roll < 0.97:
            return "failed", ("http_404", "truncated", "decode_error")[number % 3], None
        return "unavailable", "hidden", None


def _candidate(
    number: int,
    origin: str,
    tags: Mapping[str, list[str]],
    size: tuple[int, int],
    digest: str,
    image: str | None,
    outcome: str | None,
    reason: str | None,
    fate: np.ndarray[Any, Any],
) -> tuple[Any, ...]:
    width, height = size
    # A site lists its newest first: dates fall while ids rise.
    month = int((1 - number % 1_000_003 / 1_000_003) * 228)
    day, second = 1 + number % 28, number % 60
    posted = f"{2006 + month // 12}-{1 + month % 12:02d}-{day:02d}T12:00:{second:02d}+00:00"
    metadata = {"score": int(fate[2] ** 4 * 300), "fav_count": int(fate[3] ** 4 * 900)}
    rating = "e" if reason == "rating" else RATINGS[int(fate[2] * len(RATINGS))]
    lost = reason if outcome in ("failed", "unavailable") else None
    site_id = str(9_000_000 - number)
    return (
        *(number, "danbooru", origin, site_id, f"{origin}/posts/{site_id}"),
        *(f"https://art.example/works/{number}", json.dumps(tags, separators=(",", ":"))),
        *(rating, posted, digest[:32], width, height, 900_000, "jpg"),
        *(json.dumps(metadata, separators=(",", ":")), outcome, lost, image),
        0 if image else None,
        *(f"2026-01-01T{number % 24:02d}:00:00.000+00:00", "2026-01-01T00:00:00.000+00:00"),
        *(min(width, height), width * height),
    )


def _image(
    digest: str,
    width: int,
    height: int,
    reason: str | None,
    kept: bool,
    fate: np.ndarray[Any, Any],
) -> tuple[Any, ...]:
    sharpness = 0.1 + 0.19 * fate[2] if reason == "blurred" else 0.31 + 0.6 * fate[2]
    quality = 20 + 29 * fate[3] if reason == "low_quality" else 51 + 48 * fate[3]
    measures = {
        "integrity": {"version": 1, "width": width, "height": height, "format": "jpg"},
        "animated": {"version": 1, "frames": 1},
        "resolution": {
            "version": 1,
            "width": width,
            "height": height,
            "side": min(width, height),
            "pixels": width * height,
        },
        "quality": {
            "version": 1,
            "jpeg_quality": round(float(quality), 2),
            "subsampling": "4:2:0",
            "sharpness": round(float(sharpness), 3),
        },
        "signatures": {
            "version": 1,
            "phash256": digest,
            "algorithm": "imagehash.phash/16 of box256",
        },
    }
    text = json.dumps(measures, separators=(",", ":"))
    at = "2026-01-01T00:00:00.000+00:00"
    return (digest, digest[:32], "jpg", width, height, 900_000, int(kept), text, at, int(kept))


def _evidence(reason: str | None, width: int, height: int) -> tuple[str | None, str | None]:
    match reason:
        case "too_small":
            return str(min(width, height)), "768"
        case "blurred":
            return "0.2", "0.3"
        case "low_quality":
            return "40.0", "50.0"
    return None, None


def _insert(db: sqlite3.Connection, rows: Rows) -> None:
    for sql, values in (
        (
            "candidates(id, site, origin, site_id, page_url, source_url, tags, rating, posted_at,"
            " md5, width, height, bytes, format, metadata, outcome, reason, image, rung,"
            " first_seen_at, read_at, side, pixels) VALUES (" + ",".join("?" * 23) + ")",
            rows.candidates,
        ),
        ("rungs VALUES (?,?,?,?,?,?,?,?,?)", rows.rungs),
        ("images VALUES (?,?,?,?,?,?,?,?,?,?)", rows.images),
        ("candidate_tags VALUES (?,?)", sorted(rows.tags)),
        ("works VALUES (?,?,?,?,?,?,?,?,?,?,?)", rows.works),
        (
            "attempts(candidate_id, rung, outcome, reason, sha256, bytes, at)"
            " VALUES (?,?,?,?,?,?,?)",
            rows.attempts,
        ),
        (
            "events(kind, sha256, candidate_id, crawl_id, payload, at) VALUES (?,?,?,?,?,?)",
            rows.events,
        ),
    ):
        db.executemany(f"INSERT INTO {sql}", values)


@contextmanager
def _without_upkeep(db: sqlite3.Connection) -> Iterator[None]:
    """Rows come without triggers, indexes and foreign keys; what these keep is made at the end."""
    db.execute("PRAGMA foreign_keys=OFF")
    kept = db.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    later = [row for row in kept if row["type"] in ("trigger", "index")]
    assert len([row for row in later if row["type"] == "trigger"]) == len(KEEPERS) + len(TRIGGERS)
    for row in later:
        db.execute(f"DROP {row['type']} {row['name']}")
    yield
    for row in sorted(later, key=lambda row: row["type"]):
        db.execute(row["sql"])
    db.execute(
        "INSERT INTO tallies"
        " SELECT crawl_id, state, coalesce(reason, ''), count(*) FROM works GROUP BY 1, 2, 3"
    )
    db.execute(
        "UPDATE kept SET (files, bytes) = (SELECT count(*), coalesce(sum(bytes), 0) FROM images i"
        " WHERE i.wanted = kept.wanted AND i.stored = 1)"
    )
    db.execute("PRAGMA foreign_keys=ON")
