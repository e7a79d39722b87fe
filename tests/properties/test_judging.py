"""Judging again by SQL gives each work what judging it alone gives, and undoing brings all back."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from crawler import plugins
from crawler.judgement import Case, judged, write
from crawler.verdicts import Rules
from filters.base import BaseFilter, Bound, Claims, Measures, Rejection
from filters.policy import Judge, Policy
from storage import actions, crawls, decisions, naming, works
from storage.candidates import read_candidate
from storage.judging import moves, rejudging
from storage.records import Candidate, Image, Ruling, Rung
from storage.rows import loads
from tests.properties.amount import amount
from tests.storage.catalog import Catalog, assert_counted, picture

T = TypeVar("T")

MEMORY = Path("/dev/shm")


class Detail(BaseFilter):
    """Holds a measure of its own against the limit of another filter, and says no more."""

    name: ClassVar[str] = "detail"
    order: ClassVar[int] = 45
    reasons: ClassVar[Mapping[str, str]] = {"little_detail": "too small for what it shows"}
    bounds: ClassVar[tuple[Bound, ...]] = (
        Bound("little_detail", "side", "min_side", section="resolution", unless="too_small"),
    )


class Taste(BaseFilter):
    """Does so, too, and has judgements of its own besides."""

    name: ClassVar[str] = "taste"
    order: ClassVar[int] = 35
    reasons: ClassVar[Mapping[str, str]] = {"few_colours": "too dull", "odd": "of an odd side"}
    bounds: ClassVar[tuple[Bound, ...]] = (
        Bound("few_colours", "pixels", "min_pixels", section="resolution"),
    )

    def judge(self, claims: Claims, measures: Measures, policy: Policy) -> Rejection | None:
        found = super().judge(claims, measures, policy)
        odd = [Rejection("odd", measures["side"])] if measures["side"] == 999 else []
        return policy.first([*odd, *([found] if found else [])])


JUDGE = Judge([*plugins.judge().filters, Detail(), Taste()])
SIDES = (500, 700, 768, 900, 1024, 1500)
CRAWLS = ("one", "two")
WORKS = 8
ALLOWED = """
    too_small too_few_pixels blurred comic monochrome little_detail few_colours odd
    fake_side upscaled
    """.split()  # noqa: SIM905 - lists of names read better as words
THRESHOLDS: list[tuple[str, str, list[float]]] = [
    ("resolution", "min_side", [300, 600, 768, 900, 1000, 1024]),
    ("resolution", "min_pixels", [1, 300_000, 700_000, 900_000, 1_200_000]),
    ("resolution", "max_pixels", [900_000, 2_000_000, 100_000_000]),
    ("quality", "min_sharpness", [0.0, 0.1, 0.2, 0.4, 0.6]),
    ("quality", "min_jpeg_quality", [0.0, 45.0, 60.0]),
    ("upscale", "max_upscale", [1.0, 1.2, 4.0]),
]
STEPS = ("list", "fetch", "fetch", "fail", "reopen", "drop", "accept", "reject", "unsay", "twin")
Values: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Look:
    """What the file of a work shows when it is fetched."""

    name: str
    side: int
    sharpness: float | None
    quality: float | None
    detail: int | None
    factor: float
    broken: bool = False

    @property
    def image(self) -> Image:
        image, _ = picture(self.name)
        measures: dict[str, dict[str, Any]] = {
            "resolution": {
                "version": 1,
                "width": self.side,
                "height": self.side,
                "side": self.side,
                "pixels": self.side**2,
            },
            "animated": {"version": 1, "frames": 1},
            "quality": {
                "version": 1,
                "jpeg_quality": self.quality,
                "sharpness": self.sharpness,
            },
            "detail": {"version": 1, "side": self.detail},
            "upscale": {
                "version": 1,
                "factor": self.factor,
                "effective_side": round(self.side / self.factor),
                "effective_pixels": round(self.side / self.factor) ** 2,
            },
            "taste": {"version": 1, "side": self.detail, "pixels": (self.detail or 900) ** 2},
            **{name: {"version": 1} for name in ("integrity", "monochrome", "signatures")},
        }
        if self.broken:
            measures["quality"] = {"version": 1, "failed": "ValueError: by chance"}
        return Image(image.sha256, image.md5, "png", self.side, self.side, image.bytes, measures)


class Chance(Random):
    """What works claim and show, what is decided of them, and which policies rule."""

    def look(self) -> Look:
        return Look(
            self.choice("abcdefgh"),
            self.choice(SIDES),
            self.choice([None, 0.1, 0.3, 0.5, 0.6]),
            self.choice([None, 40.0, 50.0, 90.0]),
            self.choice([None, 999, *SIDES]),
            self.choice([1.0, 1.0, 1.1, 2.0]),
            broken=self.random() < 0.1,
        )

    def claims(self, site_id: str) -> Candidate:
        side = self.choice([None, 0, *SIDES[1:], *SIDES])
        ladder = [Rung(f"https://cdn.test/{site_id}.png", width=side, height=side, format="png")]
        if self.random() < 0.3:
            lower = self.choice([500, 900])
            ladder.append(Rung(f"https://cdn.test/{site_id}s.png", width=lower, height=lower))
        return Candidate(
            "site",
            "https://site.test",
            site_id,
            tuple(ladder),
            tags={
                "general": self.choice([(), (), (), (), (), ("comic",), ("monochrome", "comic")])
            },
            rating=self.choice(["g", "g", "g", "g", "g", "q", None]),
            unavailable="hidden" if self.random() < 0.07 else None,
        )

    def policy(self) -> Values:
        return {
            "resolution": {
                "min_side": self.choice([500, 768, 1000]),
                "min_pixels": self.choice([1, 1, 600_000, 900_000]),
                "max_pixels": self.choice([2_000_000, 100_000_000]),
            },
            "quality": {
                "min_sharpness": self.choice([0.0, 0.2, 0.3]),
                "min_jpeg_quality": self.choice([0.0, 45.0]),
            },
            "upscale": {"max_upscale": self.choice([1.2, 4.0])},
            "content": {"ratings": self.choice([["g", "s"], ["g", "s", "q"]])},
            "allow": self.sample(ALLOWED, self.choice([0, 0, 1])),
        }

    def other(self, policy: Values) -> Values:
        """Mostly a change of one or two thresholds or of what is allowed."""
        if self.random() < 0.15:
            return self.policy()
        out = {**policy}
        for _ in range(self.choice([1, 1, 2])):
            name, option, values = self.choice(THRESHOLDS)
            out[name] = {**out[name], option: self.choice(values)}
        if self.random() < 0.25:
            out["allow"] = self.sample(ALLOWED, self.choice([0, 1, 2]))
        return out


class World(Catalog):
    """A catalog that is filled as an engine would, by two crawls of one site."""

    def __init__(self, folder: Path, before: Mapping[str, Any]) -> None:
        super().__init__(folder)
        self.ids = {query: self.crawl(query, policy=self.policy(before[query])) for query in CRAWLS}

    @staticmethod
    def policy(values: Mapping[str, Any]) -> dict[str, Any]:
        return JUDGE.policy(values).to_json()

    def rules(self, crawl: str) -> Rules:
        (policy,) = self.db.execute("SELECT policy FROM crawls WHERE id = ?", (crawl,)).fetchone()
        return Rules(JUDGE, JUDGE.policy(loads(policy)))

    def fill(self, chance: Chance) -> None:
        """As crawls and people would; each work of a crawl has had its turn, or has not."""
        for query in CRAWLS:
            for number in chance.sample(range(WORKS), chance.randint(WORKS // 2, WORKS)):
                self.step(chance, "list", query, number)
            for number in range(WORKS):
                self.step(chance, chance.choice(["fetch", "fetch", "twin"]), query, number)
        for _ in range(chance.choice([0, 0, 3, 8])):
            kind, query = chance.choice(STEPS), chance.choice(CRAWLS)
            self.step(chance, kind, query, chance.randrange(WORKS))

    def step(self, chance: Chance, kind: str, query: str, number: int) -> None:
        crawl, site_id = self.ids[query], str(number)
        rules = self.rules(crawl)
        if kind == "list":
            one = chance.claims(site_id)
            self.page(crawl, (one, rules.of_claims(one)))
        elif kind == "reopen":
            self.write(lambda db: works.reopen(db, crawl, {"timeout", "filter_failed"}))
        elif kind == "drop":
            self.write(lambda db: db.execute("UPDATE images SET stored = 0 WHERE wanted = 0"))
        elif kind == "unsay":
            if (last := actions.last(self.db)) is not None:
                action = last
                self.write(lambda db: decisions.undo(db, action, self._rule_of))
        elif kind == "accept" or kind == "reject":
            word: Literal["accept", "reject"] = "accept" if kind == "accept" else "reject"
            names, copy = [naming.read_name(f"site:{site_id}")], chance.random() < 0.5
            self.write(lambda db: decisions.decide(db, word, names, self._rule_of, copy=copy))
        else:
            self._turn(chance, kind, crawl, site_id, rules)

    def _rule_of(self, crawl: str) -> Any:
        return self.rules(crawl).of_record

    def _turn(self, chance: Chance, kind: str, crawl: str, site_id: str, rules: Rules) -> None:
        """It is the turn of a work that is pending: as the engine carries it."""
        row = self.db.execute(
            "SELECT c.* FROM works w JOIN candidates c ON c.id = w.candidate_id"
            " WHERE w.crawl_id = ? AND c.site_id = ? AND w.state = 'pending'",
            (crawl, site_id),
        ).fetchone()
        if row is None:
            return
        one = read_candidate(self.db, row["id"])
        if kind == "fail":
            failed = Ruling("failed", "timeout")
            self.write(lambda db: works.settle_failed(db, crawl, row["id"], failed, []))
            return
        image, rung, temp = self._picture(chance, kind, row, one)
        if image is None or rules.of_claims(one).state != "pending":
            return
        ruling = rules.of_picture(one.from_rung(rung), image.measures)
        if ruling.state == "failed":
            self.write(lambda db: works.settle_failed(db, crawl, row["id"], ruling, []))
            return
        self.write(
            lambda db: works.settle_picture(
                db, self.store, crawl, row["id"], image, ruling, temp=temp, rung=rung
            )
        )

    def _picture(
        self, chance: Chance, kind: str, row: sqlite3.Row, one: Candidate
    ) -> tuple[Image | None, int, Path | None]:
        """What the work is: the picture it is known to be, that of another work, or a new one."""
        known = self.db.execute(
            "SELECT * FROM images WHERE sha256 = ? AND stored = 1", (row["image"],)
        ).fetchall()
        if row["image"] is None and kind == "twin":
            known = self.db.execute("SELECT * FROM images WHERE stored = 1").fetchall()
        if known:
            held = chance.choice(known)
            size = (held["width"], held["height"], held["bytes"])
            image = Image(held["sha256"], held["md5"], "png", *size, loads(held["measures"]))
            return image, row["rung"] or 0, None
        look = chance.look().image
        # The same bytes have the same measures, and a work that was had has the same bytes.
        found = self.rows("SELECT 1 FROM images WHERE sha256 = ?", look.sha256)
        if found or row["image"] is not None:
            return None, 0, None
        temp = self.store.temp()
        temp.write_bytes(b"x")
        return look, chance.randrange(len(one.ladder)), temp

    def all_works(self) -> list[tuple[Any, ...]]:
        return self.rows(
            "SELECT crawl_id, position, state, reason, measured, threshold, filter, duplicate_of"
            " FROM works ORDER BY 1, 2"
        )

    def in_step(self, path: Path, policies: Mapping[str, Values]) -> bool:
        """Whether every work has the state that its crawl's policy gives it now."""
        with copied(self, path) as other:
            other.one_by_one(other.cases(policies))
            return other.all_works() == self.all_works()

    async def do(self, work: Callable[[sqlite3.Connection], T], *, alone: bool = False) -> T:
        return self.write(work)

    def cases(self, values: Mapping[str, Mapping[str, Any]]) -> list[Case]:
        known = [crawls.get(self.db, crawl) for crawl in self.ids.values()]
        return [
            Case.of(crawl, Rules(JUDGE, JUDGE.policy(values[crawl.spec.query])))
            for crawl in known
            if crawl is not None
        ]

    def one_by_one(self, cases: Sequence[Case]) -> None:
        for case in cases:
            after: int | None = 0
            while after is not None:
                place, crawl, rule = after, case.crawl.id, case.rules.of_record
                after = self.write(
                    partial(rejudging.rejudge, crawl_id=crawl, rule=rule, after=place)
                )

    def judge(
        self, cases: Sequence[Case], waiting: Mapping[str, list[int]] | None = None
    ) -> tuple[dict[Any, int], dict[str, list[int]]]:
        """All at once: what was told of it, and who waited."""

        def finish(db: sqlite3.Connection) -> tuple[dict[Any, int], dict[str, list[int]]]:
            told = {
                (crawl, t.before, t.reason_before, t.state, t.reason): t.count
                for crawl, found in moves.tallies(db).items()
                for t in found
            }
            waited = {case.crawl.id: moves.waiting(db, case.crawl.id) for case in cases}
            write(db, cases)
            for case in cases:
                rejudging.follow(db, case.crawl.id, case.rules.policy.to_json())
            return told, waited

        with patch.object(moves, "_PIECE", 2):
            return asyncio.run(judged(self.do, cases, finish, waiting=waiting))


@contextmanager
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    try:
        yield path
    finally:
        shutil.rmtree(path)


@contextmanager
def copied(world: World, path: Path) -> Iterator[World]:
    """The same catalog once more, to be judged in another way."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    world.db.execute("VACUUM INTO ?", (str(path / "catalog.db"),))
    other = World.__new__(World)
    Catalog.__init__(other, path)
    other.ids = world.ids
    try:
        yield other
    finally:
        other.db.close()


def changes(before: list[tuple[Any, ...]], after: list[tuple[Any, ...]]) -> dict[Any, int]:
    found: dict[Any, int] = {}
    for old, new in zip(before, after, strict=True):
        if old[2:4] != new[2:4]:
            key = (old[0], *old[2:4], *new[2:4])
            found[key] = found.get(key, 0) + 1
    return found


def assert_alternating(world: World) -> None:
    """A crawl takes and lets go of a picture in turn, and says truly whether any has it."""
    live: dict[str, set[str]] = {}
    for event in world.events():
        if event.kind not in ("accepted", "retracted"):
            continue
        assert event.sha256 is not None
        assert event.crawl_id is not None
        having = live.setdefault(event.sha256, set())
        assert (event.kind == "accepted") == (event.crawl_id not in having)
        (having.add if event.kind == "accepted" else having.remove)(event.crawl_id)
        assert event.payload["live"] == bool(having)
    accepted = world.rows(
        "SELECT c.image, w.crawl_id FROM works w JOIN candidates c ON c.id = w.candidate_id"
        " WHERE w.state = 'accepted'"
    )
    assert sorted(accepted) == sorted((i, c) for i, having in live.items() for c in having)


@settings(max_examples=amount(80, 5000), deadline=None)
@given(st.integers(0, 2**64))
def test_all_at_once_is_one_by_one(seed: int) -> None:
    chance = Chance(seed)
    before = {query: chance.policy() for query in CRAWLS}
    after = {query: chance.other(policy) for query, policy in before.items()}
    with folder() as path:
        world = World(path / "ws", before)
        world.fill(chance)
        was, in_step = world.all_works(), world.in_step(path / "same", before)
        cases = world.cases(after)
        with copied(world, path / "other") as other:
            other.one_by_one(cases)
            expected = other.all_works()
        told, waiting = world.judge(cases)
        assert world.all_works() == expected
        assert told == changes(was, expected)
        assert_sound(world)
        world.judge(world.cases(before), waiting)
        lost = {new[2] for old, new in zip(was, expected, strict=True) if old[2] != new[2]}
        if in_step and not lost & {"failed", "unavailable"}:  # which no policy brings back
            assert world.all_works() == was
        assert_sound(world)
        world.db.close()


def assert_sound(world: World) -> None:
    assert_counted(world.db)
    assert_alternating(world)
    assert_wanted(world)


def assert_wanted(world: World) -> None:
    for sha256, wanted in world.rows("SELECT sha256, wanted FROM images"):
        taken = world.rows(
            "SELECT 1 FROM works w JOIN candidates c ON c.id = w.candidate_id"
            " WHERE c.image = ? AND w.state IN ('accepted', 'duplicate')",
            sha256,
        )
        assert bool(wanted) == bool(taken)
