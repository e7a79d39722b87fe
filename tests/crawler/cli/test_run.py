"""``trawl run``: several sources and quotas become one set, and the same command goes on."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import crawler
from crawler.demo.site import DemoSite
from crawler.recipe.gathering import Gathering, Limits, Turn
from crawler.recipe.reading import read
from crawler.run import Run, Summary
from storage.reader import Reader
from tests.crawler.cli.conftest import Trawl

RECIPE = """
target = 20
[policy.content]
ratings = ["general", "sensitive"]
[[source]]
name = "official"
from = "danbooru"
query = "hakurei_reimu"
tiers = "official"
share = 0.3
[[source]]
name = "rest"
from = "danbooru"
query = "hakurei_reimu -official_art"
tiers = "rest"
[quota.artist]
max_share = 0.15
[quota.rating]
general = 4
sensitive = 1
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "reimu.toml"
    path.write_text(RECIPE)
    return path


def run(trawl: Trawl, *words: object, code: int = 0) -> Any:
    done = trawl("run", *words, "--json", "-q")
    assert done.code == code, done.err
    return json.loads(done.out)


def set_of(document: Any) -> list[tuple[str, str]]:
    return [(image["source"], image["site_id"]) for image in document["images"]]


def test_a_set_has_its_shares_and_keeps_its_quotas(
    trawl: Trawl, site: DemoSite, recipe: Path
) -> None:
    done = run(trawl, recipe, "-w", "ws")
    assert (done["state"], done["selected"], done["error"]) == ("finished", 20, None)
    assert Counter(image["source"] for image in done["images"]) == {"official": 6, "rest": 14}
    with Reader(Path("ws")) as reader:
        about = [reader.show(f"danbooru:{image['site_id']}") for image in done["images"]]
    artists = Counter(a for one in about for a in one["tags"].get("artist", ()))
    assert max(artists.values()) <= 3
    assert Counter(one["rating"] for one in about) == {"g": 16, "s": 4}
    quotas = {(q["quota"], q["value"]): q for q in done["quotas"]}
    assert quotas["rating", "general"]["most"] == 16
    assert {q["value"]: q["selected"] for q in done["quotas"] if q["quota"] == "artist"} == artists
    # Exactly as many as the set needs: the last one that was fetched is in it.
    official, rest = done["sources"]
    assert (official["accepted"], official["selected"]) == (6, 6)
    crawls = json.loads(trawl("status", "-w", "ws", "--json").out)["crawls"]
    assert {c["crawl"]["id"] for c in crawls} == {official["crawl"], rest["crawl"]}


def test_the_same_command_again_asks_for_nothing_and_changes_nothing(
    trawl: Trawl, site: DemoSite, recipe: Path
) -> None:
    first = run(trawl, recipe, "--out", "set", "-w", "ws")
    before = {p: p.stat().st_mtime_ns for p in Path("set").rglob("*")}
    again = run(trawl, recipe, "--out", "set", "-w", "ws")
    assert set_of(again) == set_of(first)
    assert (again["file_requests"], again["api_requests"]) == (0, 0)
    assert {p: p.stat().st_mtime_ns for p in Path("set").rglob("*")} == before
    assert again["export"]["written"] == 0


def test_a_source_is_the_crawl_that_the_same_words_begin(
    trawl: Trawl, site: DemoSite, recipe: Path
) -> None:
    words = ("hakurei_reimu", "--option", "tiers=official", "--rating", "g,s", "--want", "6")
    crawl = trawl("crawl", "danbooru", *words, "-w", "ws", "--json")
    done = run(trawl, recipe, "-w", "ws")
    assert done["sources"][0]["crawl"] == json.loads(crawl.out)["crawl"]
    assert done["selected"] == 20


def test_it_ends_with_tables_a_folder_and_a_sheet(
    trawl: Trawl, site: DemoSite, recipe: Path
) -> None:
    recipe.write_text(RECIPE + '[export]\nout = "set"\ntrigger = "reimu"\n')
    done = trawl("run", recipe, "-w", "ws")
    assert done.code == 0
    assert "20 of 20 pictures are the set" in done.out
    for words in ("official", "rest", "rating", "artist", "left out for it"):
        assert words in done.out
    for words in ("source official (1 of 2)", "source rest (2 of 2)", "6 wanted"):
        assert words in done.err
    out = recipe.parent / "set"
    captions = list(out.rglob("*.txt"))
    assert len(captions) == 20
    assert all(caption.read_text().startswith("reimu") for caption in captions)
    with Image.open(out.with_name("set.sheet.jpg")) as sheet:
        assert sheet.format == "JPEG"


def test_quotas_that_cannot_be_met_leave_the_set_short_and_are_told(
    trawl: Trawl, site: DemoSite, recipe: Path
) -> None:
    recipe.write_text(
        'target = 30\nspare = 4\n[[source]]\nfrom = "danbooru"\nquery = "hakurei_reimu"\n'
        'tiers = "official"\n[quota.artist]\nmax = 1\n'
    )
    done = trawl("run", recipe, "-w", "ws")
    assert done.code == 0
    assert "of 30 pictures are the set: " in done.out
    assert "is full (1 of 1; " in done.out
    document = run(trawl, recipe, "-w", "ws")
    (source,) = document["sources"]
    assert document["state"] == "finished"
    assert source["selected"] < 8
    assert source["ended"] or source["accepted"] - source["selected"] == 4


def test_a_picture_that_is_taken_out_is_replaced_by_the_next(
    trawl: Trawl, site: DemoSite, recipe: Path
) -> None:
    before = run(trawl, recipe, "-w", "ws")
    gone = before["images"][0]["site_id"]
    assert trawl("reject", f"danbooru:{gone}", "-w", "ws").code == 0
    after = run(trawl, recipe, "-w", "ws")
    assert after["selected"] == 20
    assert gone not in {site_id for _, site_id in set_of(after)}
    assert after["file_requests"] >= 1
    assert len({*set_of(before)} & {*set_of(after)}) >= 17


def test_another_policy_of_the_recipe_judges_again_what_was_gathered(
    trawl: Trawl, site: DemoSite, recipe: Path
) -> None:
    run(trawl, recipe, "-w", "ws")
    recipe.write_text(
        RECIPE.replace("[policy.content]", "[policy.resolution]\nmin_side = 950\n[policy.content]")
    )
    done = run(trawl, recipe, "-w", "ws")
    with Reader(Path("ws")) as reader:
        sides = [
            min(i.width or 0, i.height or 0)
            for one in done["images"]
            for i in reader.query([f"id:{one['site_id']}", "state:accepted"])
        ]
    assert min(sides) >= 950


def test_a_dry_run_says_what_each_source_would_list_and_writes_nothing(
    trawl: Trawl, site: DemoSite, recipe: Path
) -> None:
    done = trawl("run", recipe, "--dry-run", "-w", "ws")
    assert done.code == 0
    assert "official:\n" in done.out
    assert "would fetch 6 files" in done.out
    assert "would fetch 14 files" in done.out
    document = run(trawl, recipe, "--dry-run", "-w", "ws")
    assert [s["fetch"] for s in document["sources"]] == [6, 14]
    assert done.out.splitlines()[-1] == "at most 20 of 20; quotas are not reckoned here"
    assert (document["at_most"], document["target"]) == (20, 20)
    assert not Path("ws").exists()


def test_a_dry_run_says_how_large_the_set_can_become(
    trawl: Trawl, site: DemoSite, recipe: Path
) -> None:
    recipe.write_text(RECIPE.replace("target = 20", "target = 400").replace("0.3", "0.5"))
    document = run(trawl, recipe, "--dry-run", "-w", "ws")
    has = [source["fetch"] for source in document["sources"]]
    assert [source["wanted"] for source in document["sources"]] == [200, 200]
    assert max(has) < 200
    assert document["at_most"] == sum(has)
    last = trawl("run", recipe, "--dry-run", "-w", "ws").out.splitlines()[-1]
    assert last.startswith(f"at most {sum(has)} of 400: official has {has[0]} of the 200 it is to")


def test_a_source_that_is_asked_again_is_told_why(
    trawl: Trawl, site: DemoSite, recipe: Path
) -> None:
    recipe.write_text(RECIPE.replace("max_share = 0.15", "max = 1"))
    done = trawl("run", recipe, "-w", "ws")
    again = [line for line in done.err.splitlines() if "left out by quota." in line]
    assert again
    assert re.search(r"wanted \(\d+ left out by quota\.artist.*: \d+ more wanted\)", again[0])
    (spent,) = [line for line in done.out.splitlines() if "spare" in line] or [""]
    assert not spent or "found no place" in spent


def test_a_limit_is_that_of_the_whole_run(trawl: Trawl, site: DemoSite, recipe: Path) -> None:
    done = run(trawl, recipe, "-w", "ws", "--max-bytes", "1", code=7)
    assert (done["state"], done["error"]) == ("stopped", "E_LIMIT")
    assert "--max-bytes 1 is used up" in done["message"]
    assert 0 < done["selected"] < 20
    assert run(trawl, recipe, "-w", "ws")["selected"] == 20


async def test_what_one_crawl_used_of_a_limit_the_next_one_lacks(
    site: DemoSite, recipe: Path
) -> None:
    lent: list[int | None] = []
    used: list[int] = []

    async def follow(_turn: Turn, run: Run) -> Summary:
        lent.append(run.request.max_bytes)
        summary = await run
        used.append(summary.stats.bytes_fetched)
        return summary

    async with crawler.open("ws") as ws:
        gathered = await Gathering(ws, read(recipe), Limits(max_bytes=10**9)).run(follow)
    assert len(gathered.images) == 20
    assert lent == [10**9 - sum(used[:number]) for number in range(len(used))]
    assert used[0] > 0


def test_folders_and_sites_mix_and_equal_pictures_count_once(
    trawl: Trawl, site: DemoSite, tmp_path: Path, recipe: Path
) -> None:
    first = run(trawl, recipe, "-w", "one")
    mine = tmp_path / "mine"
    mine.mkdir()
    for image in first["images"][:5]:
        path = Path(image["path"])
        (mine / path.name).write_bytes(path.read_bytes())
    recipe.write_text(
        'target = 9\n[[source]]\nfrom = "folder"\nquery = "mine"\nmax = 4\n'
        '[[source]]\nfrom = "danbooru"\nquery = "hakurei_reimu"\ntiers = "official"\n'
    )
    done = run(trawl, recipe, "-w", "two")
    hashes = [image["sha256"] for image in done["images"]]
    assert len(hashes) == len({*hashes})
    assert Counter(image["source"] for image in done["images"])["folder"] == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("share = 0.3", "shear = 0.3"), "did you mean share"),
        (('tiers = "rest"', 'tiers = "rests"'), "rests"),
        (("hakurei_reimu -official_art", "loli"), "never asks for this"),
        (('tiers = "rest"', 'tiers = "official"'), ""),
        (("general = 4", "general = 4\nexplicit = 1"), "the policy takes no rating 'e'"),
    ],
)
def test_a_recipe_that_cannot_be_is_told_before_anything_starts(
    trawl: Trawl, site: DemoSite, recipe: Path, change: tuple[str, str], said: str
) -> None:
    text = RECIPE.replace(*change)
    if not said:
        text, said = text.replace(" -official_art", ""), "are the same crawl"
    recipe.write_text(text)
    done = trawl("run", recipe, "-w", "ws")
    assert done.code in (2, 4)
    assert said in done.err
    assert not Path("ws").exists()


def test_a_file_in_the_place_of_the_sheet_is_told_before_anything_starts(
    trawl: Trawl, site: DemoSite, recipe: Path
) -> None:
    Path("other.sheet.jpg").write_text("not a sheet")
    before = len(site.ledger.originals())
    told = trawl("run", recipe, "--out", "other", "-w", "ws")
    assert (told.code, "is not a contact sheet of ours" in told.err) == (2, True)
    assert len(site.ledger.originals()) == before
