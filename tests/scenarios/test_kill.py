"""SIGKILL at seeded instants, again and again: the finished crawl is that of an undisturbed run.

A sample of ``make torture``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from crawler.demo.posts import World
from crawler.demo.world import REIMU
from tests.scenarios.driver import Trawl, address, serving
from tests.scenarios.outcome import assert_sound, sha256, stored_files
from tests.torture.decoder_kills import kill_decoders
from tests.torture.folder_kills import kill_character, kill_export
from tests.torture.kills import kill_crawl
from tests.torture.promises import Promises


def kept(part: str, hurt: Callable[[Promises], None]) -> None:
    """Run a part of the torture; every promise is to hold."""
    promises = Promises(part)
    hurt(promises)
    promises.end()
    assert promises.made
    assert promises.broken == []


@pytest.mark.timeout(300)
def test_kills_lose_repeat_and_damage_nothing(tmp_path: Path) -> None:
    kept(
        "kills",
        lambda told: kill_crawl(told, tmp_path, kills=12, seed=20, amid=6, works_a_kill=3),
    )


def test_a_killed_export_comes_to_the_same_folder(tmp_path: Path) -> None:
    kept("export", lambda told: kill_export(told, tmp_path / "export", kills=2, seed=3))


def test_a_killed_character_comes_to_the_same_folder(tmp_path: Path) -> None:
    kept("character", lambda told: kill_character(told, tmp_path / "set", kills=3, seed=4))


def test_a_killed_decoder_harms_no_other_picture(tmp_path: Path) -> None:
    kept("decoder", lambda told: kill_decoders(told, tmp_path / "decoder", kills=2, seed=5))


def test_what_a_kill_left_without_a_row_is_removed_at_the_next_start(
    world: World, tmp_path: Path
) -> None:
    """Between the rename of a file and its commit there is an instant; here it is made to last."""
    workspace = tmp_path / "set"
    with serving(world) as site:
        trawl = Trawl(tmp_path, address(site))
        few = ("crawl", "danbooru", REIMU, "-w", "set", "--want", "3")
        trawl(*few)
        known = set(stored_files(workspace))
        data = b"arrived whole, never committed"
        orphan = workspace / "files" / sha256(data)[:2] / sha256(data)[2:4] / f"{sha256(data)}.jpg"
        orphan.parent.mkdir(parents=True)
        orphan.write_bytes(data)
        (workspace / "files" / "tmp" / "half").write_bytes(data[:5])
        trawl(*few)
    assert set(stored_files(workspace)) == known
    assert_sound(workspace)
