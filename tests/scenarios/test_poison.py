"""Pictures made to hurt among good ones: each costs itself and is told, the others all arrive."""

from __future__ import annotations

import asyncio
import io
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import psutil
import pytest

import crawler
from crawler.decoding import supervisor
from crawler.settings import Settings
from tests.hostile.build import drawing
from tests.hostile.filters import Width
from tests.hostile.pictures import HOSTILE
from tests.scenarios.driver import Trawl
from tests.scenarios.outcome import assert_sound, outcome, stored_files

PICTURES = int(os.environ.get("TRAWL_TEST_PICTURES", "200"))
"""A tenth of them are poisonous. 1000 take a minute."""
DEADLINE = 2.0
"""Seconds instead of ten: those that hang are waited for twice."""
MOST_MEMORY = 150_000_000
"""Bytes that this process may grow by: more than the others decode at once."""
SMALL = {"resolution": {"min_side": 32, "min_pixels": 1}}

WRITERS = ((".png", "PNG"), (".jpg", "JPEG"), (".webp", "WEBP"))


@dataclass(frozen=True)
class Poisonous:
    """A file and how it may end."""

    name: str
    data: Callable[[], bytes]
    reasons: frozenset[str]


def still(width: Width) -> bytes:
    out = io.BytesIO()
    drawing(width, 40).save(out, "PNG")
    return out.getvalue()


def moving(width: Width) -> Callable[[], bytes]:
    """A picture of two frames, which is decoded in the other process."""

    def make() -> bytes:
        out = io.BytesIO()
        first, second = (drawing(width, 40, seed=seed) for seed in (1, 2))
        first.save(out, "GIF", save_all=True, append_images=[second])
        return out.getvalue()

    return make


KILLERS = [
    Poisonous("crashes", moving(Width.CRASHES), frozenset({"decoder_crash"})),
    Poisonous("exits", moving(Width.EXITS), frozenset({"decoder_crash"})),
    Poisonous("hangs", moving(Width.HANGS), frozenset({"decode_timeout"})),
    Poisonous("hoards", moving(Width.HOARDS), frozenset({"memory_limit"})),
    Poisonous("starves", moving(Width.STARVES), frozenset({"out_of_memory"})),
    Poisonous("breaks a filter", lambda: still(Width.RAISES), frozenset({"filter_failed"})),
]
"""What a decoder or filter does to its process."""

LIARS = [
    Poisonous(hostile.name, hostile.make, hostile.reasons)
    for hostile in HOSTILE
    if "sound" not in hostile.reasons
]


def poison(count: int) -> Iterator[Poisonous]:
    """Hostile files of every kind; one in ten, and one of each at least, kills."""
    killers = max(len(KILLERS), count // 10)
    yield from islice(cycle(KILLERS), killers)
    step = max(1, len(LIARS) // (count - killers))
    yield from islice(cycle(LIARS[::step]), count - killers)


@pytest.fixture
def poison_filter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed filter that misbehaves where a picture asks for it; where it is installed."""
    place = tmp_path / "installed"
    info = place / "poison-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: poison\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[trawl.filters]\npoison = tests.hostile.filters:Poison\n"
    )
    monkeypatch.syspath_prepend(place)
    return place


def shelve(folder: Path, good: int, bad: list[Poisonous]) -> dict[str, Poisonous | None]:
    """A folder with the bad files spread among the good ones."""
    folder.mkdir()
    shelf: dict[str, Poisonous | None] = {}
    for number in range(good):
        extension, format = WRITERS[number % len(WRITERS)]
        name = f"{number:04}-good{extension}"
        drawing(48, 40, seed=100 + number).save(folder / name, format)
        shelf[name] = None
    for number, one in enumerate(bad):
        name = f"{number * good // len(bad):04}-bad-{number}.jpg"
        (folder / name).write_bytes(one.data())
        shelf[name] = one
    return shelf


async def watch(most: list[int]) -> None:
    """Note the most memory that this process has, in the list's one place."""
    process = psutil.Process()
    while True:
        most[0] = max(most[0], process.memory_info().rss)
        await asyncio.sleep(0.01)


@pytest.mark.usefixtures("poison_filter")
@pytest.mark.timeout(600)
async def test_poison_costs_only_itself(
    tmp_path: Path, settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "BASE_SECONDS", DEADLINE)
    bad = list(poison(PICTURES // 10))
    shelf = shelve(tmp_path / "shelf", PICTURES - len(bad), bad)
    before = psutil.Process().memory_info().rss
    resident = [before]
    watching = asyncio.create_task(watch(resident))
    async with crawler.open(tmp_path / "set", settings=settings()) as ws:
        summary = await ws.crawl("folder", str(tmp_path / "shelf"), want=None, policy=SMALL)
    watching.cancel()
    assert summary.state == "finished", summary.error
    facts = outcome(tmp_path / "set").facts
    assert set(facts) == set(shelf)
    wrong = {
        f"{name} ({one.name if one else 'good'})": facts[name].ending
        for name, one in shelf.items()
        if facts[name].state != ("failed" if one else "accepted")
        or (one is not None and facts[name].reason not in one.reasons)
    }
    assert wrong == {}
    states = Counter(fact.state for fact in facts.values())
    assert states == {"accepted": PICTURES - PICTURES // 10, "failed": PICTURES // 10}
    assert_sound(tmp_path / "set")
    assert resident[0] - before < MOST_MEMORY


def test_a_picture_that_kills_the_engine_does_so_once(tmp_path: Path, poison_filter: Path) -> None:
    folder = tmp_path / "shelf"
    shelve(folder, 30, [])
    # Plain by all that its header says: it is decoded in a thread of the engine.
    drawing(Width.CRASHES, 40).save(folder / "0010-deadly.png")
    root = Path(__file__).parent.parent.parent
    trawl = Trawl(tmp_path, settings={"PYTHONPATH": f"{poison_filter}{os.pathsep}{root}"})
    words = ("crawl", "folder", "shelf", "-w", "set", "--all", "--min-side", "32")
    words += ("--min-pixels", "1")
    trawl(*words, code=-signal.SIGSEGV)
    assert list((tmp_path / "set" / "files" / "tmp").iterdir())
    trawl(*words)
    facts = outcome(tmp_path / "set").facts
    assert facts.pop("0010-deadly.png").ending == ("failed", "decoder_crash")
    assert Counter(fact.state for fact in facts.values()) == {"accepted": 30}
    assert_sound(tmp_path / "set")
    assert len(stored_files(tmp_path / "set")) == 30
