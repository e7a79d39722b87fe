"""Whatever is asked, and whichever way it is looked for, the answer is that of a plain model."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import ge, gt, le, lt
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.query import plan as narrow
from storage.query import search
from storage.query import sql as query_sql
from storage.reader import Reader
from storage.records import Ruling
from tests.storage.catalog import Catalog, candidate, rejected

WORKS = 60
TAGS = ("red", "blue", "green", "rare", "blue_hair")
SIDES = (None, 300, 800, 1200, 2000)
DATES = (
    None,
    "2023-12-31T23:59:59+00:00",
    "2024-01-01T00:00:00+00:00",
    "2024-02-10T08:00:00+00:00",
)
REASONS = ("too_small", "comic", "blurred")
SHARPNESS = (0.1, 0.3, 0.5, None)


@dataclass
class Met:
    """A work of a crawl, as the model knows it."""

    crawl: str
    position: int
    state: str
    reason: str | None


@dataclass
class Model:
    """A candidate, as the model knows it."""

    id: int
    site_id: str
    tags: dict[str, tuple[str, ...]]
    width: int | None
    height: int | None
    rating: str | None
    posted: str | None
    score: int | None
    image: str | None = None
    sharpness: float | None = None
    works: list[Met] = field(default_factory=list)

    @property
    def pixels(self) -> int | None:
        return self.width * self.height if self.width and self.height else None

    @property
    def side(self) -> int | None:
        known = [side for side in (self.width, self.height) if side]
        return min(known, default=None)

    @property
    def words(self) -> set[str]:
        return {tag for tags in self.tags.values() for tag in tags}


Test: TypeAlias = Callable[[Model, Met], bool]


@dataclass(frozen=True)
class Word:
    """A word of a query and what it means."""

    text: str
    holds: Test
    of_work: bool = False


def filled(catalog: Catalog, seed: int) -> None:
    """Three crawls that meet some works twice, settled every way there is."""
    rng = random.Random(seed)
    crawls = [catalog.crawl(f"query {n}") for n in range(3)]
    for crawl in crawls:
        listed = []
        for n in rng.sample(range(WORKS), WORKS * 2 // 3):
            of_work = random.Random(seed * 1_000 + n)
            tags = [tag for tag in TAGS if of_work.random() < (0.05 if tag == "rare" else 0.5)]
            made = candidate(
                str(n),
                width=of_work.choice(SIDES),
                height=of_work.choice(SIDES),
                rating=of_work.choice((None, "g", "s", "e")),
                posted_at=of_work.choice(DATES),
                metadata={"score": of_work.randrange(-3, 9)} if of_work.random() < 0.7 else {},
                tags={"general": tuple(tags), "artist": (of_work.choice(("ink", "red")),)},
            )
            reason = rng.choice(REASONS)
            ruling = rejected(reason) if rng.random() < 0.4 else Ruling("pending")
            listed.append((made, ruling))
        catalog.page(crawl, *listed)
        for made, ruling in listed:
            if ruling.state == "pending" and (roll := rng.random()) < 0.6:
                of_work = random.Random(seed * 1_000 + int(made.site_id))
                name = f"picture {of_work.randrange(WORKS)}"
                measured = {"version": 1, "sharpness": of_work.choice(SHARPNESS)}
                verdict = rejected("blurred") if roll < 0.2 else Ruling("accepted")
                catalog.fetched(crawl, made.site_id, name, verdict, quality=measured)


def modelled(catalog: Catalog) -> list[Model]:
    """What the tables say, read without any of our queries."""
    found = {
        row["id"]: Model(
            row["id"],
            row["site_id"],
            {},
            row["width"] if row["image"] is None else 800,
            row["height"] if row["image"] is None else 900,
            row["rating"],
            row["posted_at"],
            row["score"],
            row["image"],
            row["sharpness"],
        )
        for row in catalog.db.execute(
            "SELECT c.*, c.metadata ->> '$.score' AS score,"
            " i.measures ->> '$.quality.sharpness' AS sharpness"
            " FROM candidates c LEFT JOIN images i ON i.sha256 = c.image"
        )
    }
    for id, category, name in catalog.rows(
        "SELECT candidate_id, category, name FROM candidate_tags JOIN tags ON tags.id = tag_id"
    ):
        found[id].tags[category] = (*found[id].tags.get(category, ()), name)
    for id, *work in catalog.rows(
        "SELECT candidate_id, crawl_id, position, state, reason FROM works"
    ):
        found[id].works.append(Met(*work))
    for one in found.values():
        one.works.sort(key=lambda work: work.crawl)
    return sorted(found.values(), key=lambda one: one.id)


@pytest.fixture(scope="module", params=[1, 2])
def filled_catalog(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Reader, list[Model]]]:
    catalog = Catalog(tmp_path_factory.mktemp("search") / "ws")
    filled(catalog, request.param)
    with Reader(catalog.workspace) as reader:
        yield reader, modelled(catalog)
    catalog.db.close()


@pytest.fixture(params=["as it is", "lists are short", "nothing is few"])
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every source that there is to walk along is used for some catalog, however small."""
    if request.param == "as it is":
        return
    few = 4 if request.param == "lists are short" else 0
    monkeypatch.setattr(narrow, "FEW", few)
    monkeypatch.setattr(narrow, "FEW_OF_INDEX", few)
    monkeypatch.setattr(query_sql, "FEW", 1)
    monkeypatch.setattr(search, "WALKED_FOR_SORTED", 1.0 if few else 1e9)
    monkeypatch.setattr(search, "FIRST", 3)
    monkeypatch.setattr(search, "PAGE", 5)


COMPARE = {">=": ge, "<=": le, ">": gt, "<": lt}


def compared(
    name: str, value: Callable[[Model], Any], bounds: Sequence[Any]
) -> st.SearchStrategy[Word]:
    def word(sign: str, bound: Any) -> Word:
        test = COMPARE[sign]
        return Word(
            f"{name}{sign}{bound}",
            lambda one, _: (known := value(one)) is not None and test(known, bound),
        )

    def between(low: Any, high: Any) -> Word:
        return Word(
            f"{name}:{low}..{high}",
            lambda one, _: (known := value(one)) is not None and low <= known <= high,
        )

    some = st.sampled_from(bounds)
    ends = st.tuples(some, some).map(sorted)
    return st.builds(word, st.sampled_from([*COMPARE]), some) | ends.map(lambda two: between(*two))


def dated(sign: str, period: str) -> Word:
    """A comparison with a year, a month or a day, each from end to end."""

    def holds(one: Model, _: Met) -> bool:
        if one.posted is None:
            return False
        cut = one.posted[: len(period)]
        return cut == period if sign == ":" else bool(COMPARE[sign](cut, period))

    return Word(f"posted{sign}{period}", holds)


def any_of(field: str, values: list[str]) -> Word:
    of_work = field in ("state", "reason")

    def holds(one: Model, work: Met) -> bool:
        return getattr(work if of_work else one, field) in values

    return Word(f"{field}:{','.join(values)}", holds, of_work)


def some_of(values: Sequence[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=3)


def tagged(tag: str) -> Word:
    return Word(tag, lambda one, _: tag in one.words)


def of_crawls(named: Sequence[str]) -> Word:
    return Word(f"crawl:{','.join(named)}", lambda _, work: work.crawl in named, of_work=True)


plain_words = st.one_of(
    st.sampled_from(TAGS).map(tagged),
    st.just(Word("blue*", lambda one, _: any(tag.startswith("blue") for tag in one.words))),
    st.just(Word("*r*", lambda one, _: any("r" in tag for tag in one.words))),
    st.just(Word("artist:red", lambda one, _: "red" in one.tags.get("artist", ()))),
    st.just(Word("nobody_has_this", lambda *_: False)),
    compared("width", lambda one: one.width, (300, 800, 1200)),
    compared("side", lambda one: one.side, (300, 800, 1200)),
    compared("pixels", lambda one: one.pixels, (90_000, 640_000, 720_000, 2_400_000)),
    compared("score", lambda one: one.score, (-2, 0, 4)),
    compared("quality.sharpness", lambda one: one.sharpness, (0.1, 0.3, 0.4)),
    st.builds(
        dated,
        st.sampled_from([":", *COMPARE]),
        st.sampled_from(["2023", "2024", "2023-12", "2024-01", "2024-01-01", "2024-02-10T08"]),
    ),
    some_of(("g", "s", "q", "e")).map(lambda values: any_of("rating", values)),
    some_of(("accepted", "rejected", "pending", "duplicate")).map(lambda v: any_of("state", v)),
    some_of(REASONS).map(lambda values: any_of("reason", values)),
    st.integers(0, WORKS).map(lambda n: Word(f"id:{n}", lambda one, _: one.site_id == str(n))),
    compared("position", lambda _: None, (5, 20)).map(lambda word: positioned(word.text)),
)


def positioned(text: str) -> Word:
    if ".." in text:
        low, high = map(int, text.split(":")[1].split(".."))
        return Word(text, lambda _, work: low <= work.position <= high, of_work=True)
    sign = next(sign for sign in COMPARE if sign in text)
    bound, test = int(text.split(sign)[1]), COMPARE[sign]
    return Word(text, lambda _, work: bool(test(work.position, bound)), of_work=True)


def negated(word: Word) -> Word:
    return Word("-" + word.text, lambda one, work: not word.holds(one, work), word.of_work)


KEYS: dict[str, Callable[[Model], Any]] = {
    "id": lambda one: one.id,
    "pixels": lambda one: one.pixels,
    "side": lambda one: one.side,
    "width": lambda one: one.width,
    "posted": lambda one: one.posted,
    "score": lambda one: one.score,
    "sharpness": lambda one: one.sharpness,
    "position": lambda one: one.works[0].position if one.works else None,
}


def expected(
    models: Sequence[Model], words: Sequence[Word], sort: str | None, crawls: Sequence[str]
) -> list[tuple[str, str]]:
    """(site_id, crawl) of all that match, in order."""

    def matching(one: Model) -> list[Met]:
        if not all(word.holds(one, one.works[0]) for word in words if not word.of_work):
            return []
        return [w for w in one.works if all(word.holds(one, w) for word in words if word.of_work)]

    found = [(one, matches) for one in models if one.works and (matches := matching(one))]
    if sort is not None:
        key = KEYS[sort.removeprefix("-")]

        def value(pair: tuple[Model, list[Met]]) -> Any:
            return pair[1][0].position if sort.endswith("position") else key(pair[0])

        known = [pair for pair in found if value(pair) is not None]
        unknown = [pair for pair in found if value(pair) is None]
        known.sort(key=lambda pair: (value(pair), pair[0].id))
        found = known[::-1] + unknown[::-1] if sort.startswith("-") else known + unknown
    elif crawls:
        found.sort(key=lambda pair: (pair[1][0].crawl, pair[1][0].position))
    return [(one.site_id, works[0].crawl) for one, works in found]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    words=st.lists(plain_words | plain_words.map(negated), max_size=4),
    sort=st.none() | st.sampled_from([f"{sign}{key}" for key in KEYS for sign in ("", "-")]),
    numbers=st.none() | st.sets(st.integers(0, 2), min_size=1),
    limit=st.none() | st.integers(0, 10),
)
def test_a_query_finds_what_the_model_finds(
    filled_catalog: tuple[Reader, list[Model]],
    ways: None,
    words: list[Word],
    sort: str | None,
    numbers: set[int] | None,
    limit: int | None,
) -> None:
    reader, models = filled_catalog
    crawls = sorted({work.crawl for one in models for work in one.works})
    named = [crawls[number] for number in sorted(numbers or ())]
    asked = [*words, of_crawls(named)] if named else words
    texts = [word.text for word in asked]
    found = [(i.site_id, i.crawl_id) for i in reader.query(texts, sort=sort, limit=limit)]
    everything = expected(models, asked, sort, named)
    assert found == everything[:limit]
    assert reader.count(texts) == len(everything)


def test_a_random_order_is_the_same_for_one_seed(
    filled_catalog: tuple[Reader, list[Model]],
) -> None:
    reader, models = filled_catalog

    def ids(sort: str) -> list[str]:
        return [image.site_id for image in reader.query([], sort=sort)]

    met = {one.site_id for one in models}
    assert ids("random") == ids("random") != ids("random:1") != ids("id")
    assert set(ids("random")) == set(ids("random:1")) == met
    assert ids("-random:5") == ids("random:5")[::-1]
