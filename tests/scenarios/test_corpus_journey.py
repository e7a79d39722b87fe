"""Real pictures: the demo site serves a sample of the corpus, and accepted bytes are compared."""

from __future__ import annotations

import csv
import os
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from crawler.demo.site import DemoSite
from crawler.demo.world import REIMU, World, pictures_world
from tests.scenarios.driver import Trawl, address, serving
from tests.scenarios.outcome import Outcome, assert_sound, outcome, stored_files
from tests.scenarios.worlds import file_of

SAMPLE = 60
BIG = 5_000_000
"""Pixels above which a picture is left out, to keep the scenario short."""
ROOT = Path(__file__).parents[2]


def corpus() -> Path:
    folder = Path(os.environ.get("TRAWL_CORPUS", ROOT / ".." / "shared" / "corpus"))
    if not (folder / "index.csv").is_file():
        pytest.skip(f"no corpus of real pictures in {folder} (set TRAWL_CORPUS)")
    return folder.resolve()


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some pictures of every kind, some of them too small for the usual policy."""
    folder, chosen = corpus(), tmp_path_factory.mktemp("sample")
    rng = random.Random(5)
    with (folder / "index.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] == "original"]
    found = [row for row in rows if (folder / row["file"]).is_file()]
    kinds: dict[tuple[str, bool], list[str]] = {}
    for row in found:
        width, height = int(row["width"]), int(row["height"])
        if width * height <= BIG:
            small = min(width, height) < 768 or width * height < 900_000
            kinds.setdefault((row["kind"], small), []).append(row["file"])
    for (_, small), files in sorted(kinds.items()):
        for name in rng.sample(files, min(len(files), 8 if small else 15)):
            (chosen / name.replace("/", "_")).symlink_to(folder / name)
    assert 20 <= len(list(chosen.iterdir())) <= SAMPLE
    return chosen


@dataclass(frozen=True)
class Crawled:
    """A crawl of everything that the site lists of the sample."""

    world: World
    site: DemoSite
    home: Path
    found: Outcome


def crawl(sample: Path, home: Path, *words: str) -> Crawled:
    world = pictures_world(sample)
    with serving(world) as site:
        Trawl(home, address(site))("character", REIMU, "--out", "set", "--all", *words)
    return Crawled(world, site, home, outcome(home / "trawl-data"))


@pytest.fixture(scope="module")
def usual(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Crawled:
    return crawl(sample, tmp_path_factory.mktemp("usual"))


@pytest.fixture(scope="module")
def any_size(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Crawled:
    words = ("--min-side", "1", "--min-pixels", "1", "--allow", "lowres")
    return crawl(sample, tmp_path_factory.mktemp("any_size"), *words)


@pytest.mark.parametrize(("name", "fewest"), [("usual", 10), ("any_size", 35)])
def test_every_accepted_original_is_byte_for_byte_the_served_one(
    name: str, fewest: int, request: pytest.FixtureRequest
) -> None:
    crawled: Crawled = request.getfixturevalue(name)
    posts = {str(post.id): post for post in crawled.world.posts}
    files = stored_files(crawled.home / "trawl-data")
    accepted = [work for work in crawled.found.works if work.state == "accepted"]
    assert len(accepted) >= fewest
    for work in accepted:
        media = posts[work.site_id].media
        assert files[work.sha256 or ""].read_bytes() == media.read()
        assert (work.width, work.height) == (media.width, media.height)
    assert_sound(crawled.home / "trawl-data")


def test_what_is_too_small_is_never_asked_for(usual: Crawled) -> None:
    small = [
        post
        for post in usual.world.posts
        if min(post.media.width, post.media.height) < 768
        or post.media.width * post.media.height < 900_000
    ]
    assert small
    asked = {entry.path for entry in usual.site.ledger}
    for post in small:
        assert file_of(post) not in asked
        assert str(post.id) not in usual.found.facts


def test_good_pictures_are_kept(any_size: Crawled) -> None:
    """Nothing is wrong with a file of the corpus: no decoder refuses one, few filters do."""
    works = any_size.found.works
    assert len(works) == len(any_size.world.posts)
    assert {work.state for work in works} <= {"accepted", "rejected", "duplicate"}
    reasons = Counter(work.reason for work in works if work.state == "rejected")
    assert set(reasons) <= {"blurred", "low_quality", "monochrome", "upscaled"}
    assert reasons.total() <= len(works) // 10


def test_the_folder_holds_every_accepted_picture_in_a_form_trainers_read(
    any_size: Crawled,
) -> None:
    captions = list((any_size.home / "set").rglob("*.txt"))
    assert len(captions) == len(any_size.found.accepted)
    for caption in captions:
        assert caption.read_text().startswith("hakurei reimu")
        (picture,) = [p for p in caption.parent.glob(f"{caption.stem}.*") if p != caption]
        with Image.open(picture) as opened:
            opened.load()
            assert opened.mode in ("RGB", "L")
