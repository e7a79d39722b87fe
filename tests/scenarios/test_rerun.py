"""A crawl run again: it goes on, asks for what is new, and never asks twice for what it knows."""

from __future__ import annotations

from pathlib import Path

from crawler.demo.ledger import Entry
from crawler.demo.posts import World
from crawler.demo.site import DemoSite
from crawler.demo.world import REIMU
from tests.scenarios.driver import Trawl, address, serving
from tests.scenarios.outcome import assert_sound, crawl_ids, events, outcome
from tests.scenarios.worlds import file_of, reimu_posts, without

CRAWL = ("crawl", "danbooru", REIMU, "-w", "set")
ON_TROUBLE = {"error_once", "truncated_once", "md5_mismatch"}
"""Kinds whose files are asked for more than once within one run."""


def refetched(site: DemoSite) -> list[str]:
    """Originals that were completely sent more than once, though nothing was wrong with them."""
    troubled = {file_of(p) for p in site.world.posts if p.kind in ON_TROUBLE}
    counted: dict[str, int] = {}
    for entry in site.ledger.originals():
        if entry.completed and entry.status == 200:
            counted[entry.path] = counted.get(entry.path, 0) + 1
    return [path for path, n in counted.items() if n > 1 and path not in troubled]


def since(site: DemoSite, mark: int) -> list[Entry]:
    return list(site.ledger)[mark:]


def test_a_met_target_makes_no_request_at_all(world: World, tmp_path: Path) -> None:
    with serving(world) as site:
        trawl = Trawl(tmp_path, address(site))
        first = trawl(*CRAWL, "--want", "12")
        before, mark = outcome(tmp_path / "set").table, len(site.ledger)
        again = trawl(*CRAWL, "--want", "12")
        fewer = trawl(*CRAWL, "--want", "7")
        assert len(site.ledger) == mark
    assert "12 of 12 accepted" in first.out
    assert "12 of 12 accepted" in again.out
    assert fewer.code == 0
    assert outcome(tmp_path / "set").table == before
    assert len(crawl_ids(tmp_path / "set")) == 1


def test_an_exhausted_source_is_only_asked_whether_there_is_more(
    world: World, tmp_path: Path
) -> None:
    with serving(world) as site:
        trawl = Trawl(tmp_path, address(site))
        trawl(*CRAWL, "--want", "5000")
        before, mark = outcome(tmp_path / "set").table, len(site.ledger)
        done = trawl(*CRAWL, "--want", "5000")
        assert {entry.path for entry in since(site, mark)} == {"/posts.json"}
        assert len(since(site, mark)) <= 2
    assert done.code == 0
    assert outcome(tmp_path / "set").table == before
    told = [event for event in events(tmp_path / "set") if event.kind == "crawl_finished"]
    assert len(told) == 1


def test_only_what_is_new_since_is_fetched(world: World, tmp_path: Path) -> None:
    newest = reimu_posts(world)[:25]
    earlier = without(world, {post.id for post in newest})
    with serving(earlier) as site:
        trawl = Trawl(tmp_path, address(site))
        trawl(*CRAWL, "--all")
        old = outcome(tmp_path / "set").facts
        place = address(site)
    with serving(world, place) as later:
        trawl(*CRAWL, "--all")
        asked = {entry.path for entry in later.ledger.originals()}
        assert refetched(later) == []
    new_files = {f"/original/{post.media.path}" for post in newest}
    new_files |= {file_of(post) for post in newest}
    assert asked
    assert asked <= new_files
    now = outcome(tmp_path / "set").facts
    assert {site_id: now[site_id] for site_id in old} == old
    with serving(world) as fresh:
        Trawl(tmp_path, address(fresh))("crawl", "danbooru", REIMU, "-w", "other", "--all")
    endings = {i: f.state for i, f in outcome(tmp_path / "other").facts.items()}
    copies = {str(p.id) for p in world.posts if p.copies}  # which of them came first differs
    assert {i: s for i, s in endings.items() if i not in copies} == {
        i: f.state for i, f in now.items() if i not in copies
    }


def test_a_wider_policy_walks_again_and_fetches_only_what_it_lacked(
    world: World, tmp_path: Path
) -> None:
    with serving(world) as site:
        trawl = Trawl(tmp_path, address(site))
        # What the filters think of drawn cards is not the question here.
        lenient = ("--allow", "upscaled,monochrome,fake_side,fake_pixels")
        trawl(*CRAWL, "--all", *lenient, "--min-side", "1050")
        narrow, mark = outcome(tmp_path / "set"), len(site.ledger)
        trawl(*CRAWL, "--all", *lenient, "--rating", "g,s,q")
        wide = outcome(tmp_path / "set")
        assert any(entry.path == "/posts.json" for entry in since(site, mark))
        assert refetched(site) == []
    assert set(narrow.accepted) < set(wide.accepted)
    ratings = {str(post.id): post.rating for post in world.posts}
    assert {ratings[site_id] for site_id in wide.accepted} == {"g", "s", "q"}
    assert len(crawl_ids(tmp_path / "set")) == 1
    with serving(world) as fresh:
        Trawl(tmp_path, address(fresh))(
            *("crawl", "danbooru", REIMU, "-w", "other", "--all", *lenient, "--rating", "g,s,q")
        )
    assert sorted(outcome(tmp_path / "other").accepted) == sorted(wide.accepted)
    assert_sound(tmp_path / "set")


def test_a_narrower_policy_judges_what_is_there_without_fetching(
    world: World, tmp_path: Path
) -> None:
    with serving(world) as site:
        trawl = Trawl(tmp_path, address(site))
        trawl(*CRAWL, "--want", "40")
        before, mark = outcome(tmp_path / "set"), len(site.ledger)
        kept = [
            w.site_id for w in before.works if w.state == "accepted" and large(w.width, w.height)
        ]
        assert 0 < len(kept) < 40
        trawl(*CRAWL, "--want", str(len(kept)), "--min-side", "1000")
        assert len(site.ledger) == mark
        after = outcome(tmp_path / "set")
        assert after.accepted == kept
        lost = [after.facts[i] for i in before.accepted if i not in kept]
        assert {fact.ending for fact in lost} == {("rejected", "too_small")}
        retracted = [e for e in events(tmp_path / "set") if e.kind == "retracted"]
        assert {e.sha256 for e in retracted} == {f.sha256 for f in lost}
        assert_sound(tmp_path / "set")
        # Back again: the bytes of what was rejected are still there.
        trawl(*CRAWL, "--want", "40")
        assert refetched(site) == []
        assert [e for e in since(site, mark) if e.path.startswith("/original/")] == []
    assert outcome(tmp_path / "set").accepted == before.accepted
    assert_sound(tmp_path / "set")


def large(width: int | None, height: int | None) -> bool:
    return min(width or 0, height or 0) >= 1000


def test_a_raised_target_goes_on_where_the_last_one_ended(world: World, tmp_path: Path) -> None:
    with serving(world) as site:
        trawl = Trawl(tmp_path, address(site))
        trawl(*CRAWL, "--want", "10")
        ten, mark = outcome(tmp_path / "set").accepted, len(site.ledger)
        done = trawl(*CRAWL, "--want", "25")
        assert refetched(site) == []
        assert not [e for e in since(site, mark) if e.path == "/posts.json"]
    twenty_five = outcome(tmp_path / "set").accepted
    assert "25 of 25 accepted" in done.out
    assert twenty_five[:10] == ten
    assert len(twenty_five) == 25


def test_a_second_crawl_of_the_workspace_uses_what_the_first_one_fetched(
    world: World, tmp_path: Path
) -> None:
    with serving(world) as site:
        trawl = Trawl(tmp_path, address(site))
        trawl(*CRAWL, "--all")
        mark = len(site.ledger)
        trawl("crawl", "danbooru", f"{REIMU} official_art", "-w", "set", "--all")
        assert [e for e in since(site, mark) if e.path.startswith("/original/")] == []
        latest = crawl_ids(tmp_path / "set")[0]
    official = [p for p in reimu_posts(world) if p.kind == "official_art"]
    assert outcome(tmp_path / "set", latest).accepted == [str(post.id) for post in official]
    assert_sound(tmp_path / "set")


def test_fresh_lists_anew_and_fetches_nothing_it_has(world: World, tmp_path: Path) -> None:
    # What failed is given another chance; of a replaced file the site goes on listing the old one.
    again = {file_of(post) for post in world.of_kind("cut_upload", "replaced")}
    with serving(world) as site:
        trawl = Trawl(tmp_path, address(site))
        trawl(*CRAWL, "--all")
        mark = len(site.ledger)
        trawl(*CRAWL, "--all", "--fresh")
        later = since(site, mark)
        assert any(entry.path == "/posts.json" for entry in later)
        assert set(refetched(site)) <= again
        newer, older = (outcome(tmp_path / "set", crawl).facts for crawl in two(tmp_path / "set"))
    of_replaced = {str(post.id) for post in world.of_kind("replaced")}
    assert {i: f for i, f in newer.items() if i not in of_replaced} == {
        i: f for i, f in older.items() if i not in of_replaced
    }
    assert {newer[i].state for i in of_replaced} == {"accepted"}


def two(workspace: Path) -> tuple[str, str]:
    newer, older = crawl_ids(workspace)
    return newer, older


def test_resume_goes_on_with_the_crawl_that_was_left(world: World, tmp_path: Path) -> None:
    with serving(world) as site:
        trawl = Trawl(tmp_path, address(site))
        stopped = trawl(*CRAWL, "--all", "--max-bytes", "5M", code=7)
        assert "--max-bytes" in stopped.err
        some = outcome(tmp_path / "set").accepted
        trawl("resume", "-w", "set")
        assert refetched(site) == []
        everything = outcome(tmp_path / "set")
        assert set(some) < set(everything.accepted)
        assert "pending" not in {work.state for work in everything.works}
        trawl("resume", "-w", "set", code=2)  # nothing is left to resume
    assert_sound(tmp_path / "set")
