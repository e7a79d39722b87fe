"""Content safety: no flag fetches what is marked as sexualising minors, and nothing of it stays."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from crawler.demo.posts import Post, World
from crawler.demo.site import DemoSite
from crawler.demo.world import REIMU
from tests.scenarios.conftest import Serve
from tests.scenarios.driver import Trawl, address, serving
from tests.scenarios.outcome import (
    assert_sound,
    catalog_bytes,
    crawl_ids,
    events,
    outcome,
    rows,
    sha256,
    stored_files,
)
from tests.scenarios.worlds import changed, reimu_posts, tagged

EVERYTHING = (
    *("--rating", "g,s,q,e"),
    *("--set", "resolution.min_side=1"),
    *("--set", "resolution.min_pixels=1"),
    *("--set", "quality.min_jpeg_quality=0"),
    *("--set", "quality.min_sharpness=0"),
    *("--option", "deleted=true"),
)
KEPT = {"id", "site", "origin", "site_id", "outcome", "reason", "first_seen_at", "read_at"}
"""Columns that a blocked work may have: nothing of what was said of it."""


def allowable(trawl: Trawl) -> list[str]:
    """Every reason that --allow takes."""
    refusal = trawl("crawl", "danbooru", REIMU, "--allow", "no_such_reason", code=2)
    told = refusal.err.split("there are: ")[1].split(" [E_")[0]
    reasons = [reason.strip() for reason in told.split(",")]
    assert "monochrome" in reasons
    return reasons


def test_no_flag_fetches_a_blocked_work(world: World, serve: Serve, tmp_path: Path) -> None:
    site = serve(world)
    trawl = Trawl(tmp_path, address(site))
    allow = ("--allow", ",".join(allowable(trawl)))
    trawl("crawl", "danbooru", REIMU, "-w", "set", "--all", *EVERYTHING, *allow)
    facts = outcome(tmp_path / "set").facts
    blocked = [p for p in reimu_posts(world) if p.kind in ("blocked_tag", "blocked_age_coded")]
    assert len(blocked) == 5
    for post in blocked:
        assert facts[str(post.id)].ending == ("rejected", "blocked_content")
        assert not [entry for entry in site.ledger if post.media.md5 in entry.path]
        assert not [entry for entry in site.ledger if f"/posts/{post.id}" in entry.path]
        assert_forgotten(tmp_path / "set", post)
    for post in reimu_posts(world):
        if post.hidden:
            assert facts[str(post.id)].state == "unavailable"
            assert not [entry for entry in site.ledger if post.media.md5 in entry.path]
    # What these flags do allow was fetched: the blocked works are no accident.
    assert {"rating_e", "comic", "low_quality"} <= {
        post.kind
        for post in reimu_posts(world)
        if facts.get(str(post.id), None) is not None and facts[str(post.id)].state == "accepted"
    }


@pytest.mark.parametrize("reason", ["blocked_content", "rating"])
def test_the_reasons_of_content_safety_cannot_be_allowed(tmp_path: Path, reason: str) -> None:
    trawl = Trawl(tmp_path)
    done = trawl("crawl", "danbooru", REIMU, "--allow", reason, code=2)
    assert reason in done.err
    assert not (tmp_path / "trawl-data").exists()


@pytest.mark.parametrize(
    "query",
    [
        ("loli",),
        ("LOLI",),
        (REIMU, "loli"),
        (f"{REIMU} loli",),
        (REIMU, "~loli", "~1girl"),
        ("(loli", "or", "smile)"),
        ("lol*",),
        ("shota", "--rating", "g"),
        ("child", "rating:e"),
        ("straight", "shota"),
    ],
    ids=" ".join,
)
def test_a_query_for_it_is_refused_without_one_request(
    world: World, serve: Serve, tmp_path: Path, query: tuple[str, ...]
) -> None:
    assert_refused(serve(world), tmp_path, "crawl", "danbooru", *query)


def test_a_character_set_of_it_is_refused_without_one_request(
    world: World, serve: Serve, tmp_path: Path
) -> None:
    assert_refused(serve(world), tmp_path, "character", f"{REIMU} loli", "--out", "set")


def assert_refused(site: DemoSite, home: Path, *words: str) -> None:
    done = Trawl(home, address(site))(*words, code=2)
    assert len(done.lines) <= 2
    assert "E_REFUSED_QUERY" in done.err
    assert len(site.ledger) == 0
    assert not (home / "trawl-data").exists()
    assert not (home / "set").exists()


@pytest.mark.parametrize("how", ["--fresh", "another crawl"])
def test_a_work_that_is_tagged_later_is_forgotten_with_all_its_copies(
    world: World, tmp_path: Path, how: str
) -> None:
    victim = next(p for p in reimu_posts(world) if p.kind == "official_art")
    with serving(world) as site:
        trawl = Trawl(tmp_path, address(site))
        trawl("character", REIMU, "--out", "reimu", "--want", "20", "-w", "set")
        place = address(site)
    trawl("export", "folder", "-w", "set", "--layout", "imagefolder")
    file = sha256(victim.media.read())
    assert file in stored_files(tmp_path / "set")
    for name in ("reimu", "folder"):
        assert copies(tmp_path / name, file), "the victim was not exported"
    edited = changed(world, victim.id, lambda post: tagged(post, "loli", rating="s"))
    with serving(edited, place):
        words: tuple[str, ...]
        if how == "--fresh":
            words = ("character", REIMU, "--out", "reimu", "--want", "20", "--fresh")
        else:
            words = ("crawl", "danbooru", f"{REIMU} official_art")
        trawl(*words, "-w", "set")
    assert file not in stored_files(tmp_path / "set")
    for name in ("reimu", "folder"):
        assert not copies(tmp_path / name, file)
        assert not list((tmp_path / name).rglob(f"*{victim.id}*")), "its caption is still there"
    assert_forgotten(tmp_path / "set", victim)
    assert_sound(tmp_path / "set")
    for crawl in crawl_ids(tmp_path / "set"):
        found = outcome(tmp_path / "set", crawl).facts.get(str(victim.id))
        assert found is None or found.ending == ("rejected", "blocked_content")
    retracted = [e for e in events(tmp_path / "set") if e.kind == "retracted"]
    assert [(e.sha256, e.payload) for e in retracted] == [
        (file, {"reason": "blocked_content", "live": False})
    ]


def test_a_contact_sheet_does_not_go_on_showing_it(world: World, tmp_path: Path) -> None:
    victim = next(p for p in reimu_posts(world) if p.kind == "official_art")
    with serving(world) as site:
        trawl = Trawl(tmp_path, address(site))
        trawl("crawl", "danbooru", REIMU, "-w", "set", "--want", "10")
        place = address(site)
    trawl("sheet", "sheet.jpg", "-w", "set", f"id:{victim.id}")
    before = (tmp_path / "sheet.jpg").read_bytes()
    with serving(changed(world, victim.id, lambda p: tagged(p, "loli", rating="s")), place):
        trawl("crawl", "danbooru", f"{REIMU} official_art", "-w", "set")
    assert not (tmp_path / "sheet.jpg").exists() or (tmp_path / "sheet.jpg").read_bytes() != before


@pytest.mark.parametrize("layout", ["kohya", "imagefolder"])
def test_the_next_export_tells_nothing_of_it_any_more(
    world: World, tmp_path: Path, layout: str
) -> None:
    victim = next(p for p in reimu_posts(world) if p.kind == "official_art")
    words = ("character", REIMU, "--out", "reimu", "--want", "20", "-w", "set", "--layout", layout)
    with serving(world) as site:
        trawl = Trawl(tmp_path, address(site))
        trawl(*words)
        place = address(site)
    assert str(victim.id) in everything_in(tmp_path / "reimu")
    with serving(changed(world, victim.id, lambda p: tagged(p, "loli", rating="s")), place):
        trawl(*words, "--fresh")
    assert str(victim.id) not in everything_in(tmp_path / "reimu")
    assert victim.media.md5 not in everything_in(tmp_path / "reimu")


def copies(folder: Path, file: str) -> list[Path]:
    """Files in a folder that hold these very bytes."""
    return [p for p in folder.rglob("*") if p.is_file() and sha256(p.read_bytes()) == file]


def everything_in(folder: Path) -> str:
    """Names of all files and the text of those that are text."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    texts = [p.read_text() for p in found if p.suffix not in (".jpg", ".png", ".webp", ".avif")]
    return "\n".join([*(str(path) for path in found), *texts])


def assert_forgotten(workspace: Path, post: Post) -> None:
    """Of a work only its id and the reason are left, anywhere in the catalog."""
    (row,) = rows(workspace, "SELECT * FROM candidates WHERE site_id = ?", str(post.id))
    assert {name for name in row.keys() if row[name] is not None} == KEPT  # noqa: SIM118
    for table in ("rungs", "candidate_tags", "attempts"):
        assert not rows(workspace, f"SELECT * FROM {table} WHERE candidate_id = ?", row["id"])
    stored = catalog_bytes(workspace)
    assert post.media.md5.encode() not in stored
    assert post.media.pixel_hash.encode() not in stored


# -- folders ------------------------------------------------------------------------------------


def pictures(world: World, folder: Path) -> list[Path]:
    """A few good pictures with what gallery-dl writes beside them."""
    folder.mkdir()
    found = []
    for post in [p for p in reimu_posts(world) if p.kind == "highres_solo"][:4]:
        path = folder / f"{post.id}.jpg"
        path.write_bytes(post.media.read())
        write_tags(path, "1girl solo", post.rating)
        found.append(path)
    return found


def write_tags(path: Path, tags: str, rating: str) -> None:
    about = {"tag_string_general": tags, "tag_string_character": REIMU, "rating": rating}
    path.with_name(path.name + ".json").write_text(json.dumps(about))


def test_sidecar_tags_block_local_pictures(world: World, tmp_path: Path) -> None:
    local = pictures(world, tmp_path / "local")
    write_tags(local[0], "1girl loli", "s")
    write_tags(local[1], "1girl child", "q")
    local[2].with_name(local[2].name + ".json").unlink()
    local[2].with_suffix(".txt").write_text("1girl, lolicon, smile")
    trawl = Trawl(tmp_path)
    trawl("crawl", "folder", "local", "-w", "set", "--all", "--rating", "g,s,q,e")
    facts = outcome(tmp_path / "set").facts
    assert {facts[path.name].ending for path in local[:3]} == {("rejected", "blocked_content")}
    assert facts[local[3].name].state == "accepted"
    assert set(stored_files(tmp_path / "set")) == {sha256(local[3].read_bytes())}
    assert all(path.exists() for path in local), "the folder itself is not ours to clean"
    assert_sound(tmp_path / "set")


def test_a_local_picture_that_is_tagged_later_is_forgotten(world: World, tmp_path: Path) -> None:
    local = pictures(world, tmp_path / "local")
    trawl = Trawl(tmp_path)
    trawl("crawl", "folder", "local", "-w", "set", "--all")
    trawl("export", "out", "-w", "set", "--layout", "kohya")
    file = sha256(local[0].read_bytes())
    assert copies(tmp_path / "out", file)
    write_tags(local[0], "1girl loli", "s")
    trawl("crawl", "folder", "local", "-w", "set", "--all")
    assert outcome(tmp_path / "set").facts[local[0].name].ending == ("rejected", "blocked_content")
    assert file not in stored_files(tmp_path / "set")
    assert not copies(tmp_path / "out", file)
    retracted = [e.sha256 for e in events(tmp_path / "set") if e.kind == "retracted"]
    assert retracted == [file]
    assert local[0].exists()
    assert_sound(tmp_path / "set")


def test_a_folder_named_for_it_is_refused(world: World, tmp_path: Path) -> None:
    pictures(world, tmp_path / "local")
    shutil.move(tmp_path / "local", tmp_path / "my_loli_pictures")
    done = Trawl(tmp_path)("crawl", "folder", "my_loli_pictures", code=2)
    assert "E_REFUSED_QUERY" in done.err
