"""A folder of local pictures as a source: good ones, copies, small, broken and mislabelled ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from crawler.demo.posts import World
from tests.scenarios.driver import Trawl
from tests.scenarios.outcome import (
    assert_sound,
    crawl_ids,
    events,
    outcome,
    sha256,
    stored_files,
)
from tests.scenarios.worlds import reimu_posts

CRAWL = ("crawl", "folder", "local", "-w", "set", "--all")

Snapshot = dict[str, tuple[int, int, int, bytes]]


def snapshot(folder: Path) -> Snapshot:
    """Inode, times and bytes of everything in a folder."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_ino,
            path.stat().st_mtime_ns,
            path.stat().st_mode,
            path.read_bytes(),
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def local(world: World, tmp_path: Path) -> Path:
    """A folder as people have them."""
    folder = tmp_path / "local"
    (folder / "more" / "deep").mkdir(parents=True)

    def data(kind: str, number: int = 0) -> bytes:
        return [p for p in reimu_posts(world) if p.kind == kind][number].media.read()

    (folder / "a good one.jpg").write_bytes(data("highres_solo"))
    (folder / "b copy of a.jpg").write_bytes(data("highres_solo"))
    (folder / "more" / "copy of a.JPG").write_bytes(data("highres_solo"))
    (folder / "more" / "other.jpeg").write_bytes(data("highres_solo", 1))
    (folder / "more" / "deep" / "png.png").write_bytes(data("png"))
    (folder / "more" / "deep" / "日本語.webp").write_bytes(data("webp"))
    (folder / "named wrongly.jpg").write_bytes(data("png", 1))
    (folder / "small.jpg").write_bytes(data("too_small"))
    (folder / "cut.jpg").write_bytes(data("highres_solo", 2)[:-2000])
    (folder / "empty.png").write_bytes(b"")
    (folder / "page.jpg").write_bytes(b"<!DOCTYPE html><title>no picture</title>")
    (folder / "moving.gif").write_bytes(data("animated_gif"))
    (folder / "notes.pdf").write_bytes(b"%PDF-1.7")
    (folder / "a good one.txt").write_text("1girl, solo, red bow")
    return folder


ENDINGS = {
    "a good one.jpg": ("accepted", None),
    "b copy of a.jpg": ("duplicate", "same_file"),
    "more/copy of a.JPG": ("duplicate", "same_file"),
    "more/other.jpeg": ("accepted", None),
    "more/deep/png.png": ("accepted", None),
    "more/deep/日本語.webp": ("accepted", None),
    "named wrongly.jpg": ("accepted", None),
    "small.jpg": ("rejected", "too_small"),
    "cut.jpg": ("failed", "truncated"),
    "empty.png": ("failed", "not_an_image"),
    "page.jpg": ("failed", "not_an_image"),
    "moving.gif": ("rejected", "animated"),
}


def test_what_becomes_of_each_file(local: Path, tmp_path: Path) -> None:
    Trawl(tmp_path)(*CRAWL)
    found = outcome(tmp_path / "set")
    assert {site_id: fact.ending for site_id, fact in found.facts.items()} == ENDINGS
    assert_sound(tmp_path / "set")
    for name, (state, _) in ENDINGS.items():
        if state == "accepted":
            held = stored_files(tmp_path / "set")[found.facts[name].sha256 or ""]
            assert held.read_bytes() == (local / name).read_bytes()
    wrong = stored_files(tmp_path / "set")[sha256((local / "named wrongly.jpg").read_bytes())]
    assert wrong.suffix == ".png"


def test_the_folder_itself_is_not_touched(local: Path, tmp_path: Path) -> None:
    before = snapshot(local)
    trawl = Trawl(tmp_path)
    trawl(*CRAWL)
    trawl("export", "out", "-w", "set", "--layout", "kohya")
    assert snapshot(local) == before
    # What we keep is a copy of our own: writing to the folder later changes nothing of ours.
    (local / "a good one.jpg").write_bytes(b"changed")
    assert_sound(tmp_path / "set")


def test_its_captions_are_those_that_lie_beside(local: Path, tmp_path: Path) -> None:
    trawl = Trawl(tmp_path)
    trawl(*CRAWL)
    trawl("export", "out", "-w", "set", "--layout", "kohya")
    captions = [path.read_text() for path in (tmp_path / "out").rglob("*.txt")]
    assert len(captions) == 5
    assert len([text for text in captions if "red bow" in text]) == 1


def test_a_walk_that_was_ended_goes_on(local: Path, tmp_path: Path) -> None:
    trawl = Trawl(tmp_path)
    trawl("crawl", "folder", "local", "-w", "set", "--want", "2")
    assert len(outcome(tmp_path / "set").accepted) == 2
    trawl(*CRAWL)
    assert {i: f.ending for i, f in outcome(tmp_path / "set").facts.items()} == ENDINGS
    assert_sound(tmp_path / "set")


def test_run_again_it_takes_only_what_is_new(local: Path, world: World, tmp_path: Path) -> None:
    trawl = Trawl(tmp_path)
    trawl(*CRAWL)
    before = outcome(tmp_path / "set").facts
    again = trawl(*CRAWL)
    assert outcome(tmp_path / "set").facts == before
    assert again.code == 0
    seen = len(events(tmp_path / "set"))
    new = next(p for p in reimu_posts(world) if p.kind == "plain")
    (local / "added.jpg").write_bytes(new.media.read())
    trawl(*CRAWL)
    after = outcome(tmp_path / "set").facts
    assert after.pop("added.jpg").state == "accepted"
    assert after == before
    told = [event.kind for event in events(tmp_path / "set")[seen:]]
    assert told.count("accepted") == 1


def test_a_file_that_was_repaired_or_replaced_is_looked_at_again(
    local: Path, world: World, tmp_path: Path
) -> None:
    trawl = Trawl(tmp_path)
    trawl(*CRAWL)
    whole = [p for p in reimu_posts(world) if p.kind == "highres_solo"][2].media.read()
    (local / "cut.jpg").write_bytes(whole)
    trawl(*CRAWL, "--fresh")
    facts = outcome(tmp_path / "set", crawl_ids(tmp_path / "set")[0]).facts
    assert facts["cut.jpg"].ending == ("accepted", None)
    assert facts["cut.jpg"].sha256 == sha256(whole)


def test_a_folder_that_went_away_leaves_what_was_taken(local: Path, tmp_path: Path) -> None:
    trawl = Trawl(tmp_path)
    trawl(*CRAWL)
    accepted = outcome(tmp_path / "set").accepted
    shutil.rmtree(local)
    done = trawl(*CRAWL, code=2)
    assert "is not a folder" in done.err
    assert outcome(tmp_path / "set").accepted == accepted
    assert_sound(tmp_path / "set")


def test_no_contact_is_needed_for_a_folder(local: Path, tmp_path: Path) -> None:
    Trawl(tmp_path, None, {"TRAWL_NET__CONTACT": ""})(*CRAWL)
