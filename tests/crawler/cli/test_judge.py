"""``trawl judge``: what other thresholds would change, doing it, and taking it back."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from crawler.cli import judging
from storage.lock import EngineLock
from tests.crawler.cli.conftest import Trawl
from tests.crawler.shelf import paint

LOOSE = ("--min-side", 32, "--min-pixels", 1)
SIDES = {"a": 48, "b": 64, "c": 96, "d": 48, "e": 40}


@pytest.fixture
def filled(trawl: Trawl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with a crawl of five pictures, which commands find by themselves."""
    for name, side in SIDES.items():
        paint(tmp_path / "shelf", name, side)
    folder = tmp_path / "filled"
    monkeypatch.setenv("TRAWL_WORKSPACE", str(folder))
    assert trawl("crawl", "folder", tmp_path / "shelf", *LOOSE, "-q").code == 0
    return folder


def rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "catalog.db")) as db:
        return db.execute(sql).fetchall()


def change(folder: Path, sql: str) -> None:
    with closing(sqlite3.connect(folder / "catalog.db")) as db:
        db.execute(sql)
        db.commit()


def states(folder: Path) -> dict[str, str]:
    """Name of the file -> its state, with the reason behind a colon."""
    found = rows(
        folder,
        "SELECT c.site_id, w.state, w.reason FROM works w"
        " JOIN candidates c ON c.id = w.candidate_id",
    )
    return {
        Path(name).stem: f"{state}:{reason}" if reason else state for name, state, reason in found
    }


def everything(folder: Path) -> list[Any]:
    tables = ("crawls", "works", "events", "images", "actions", "tallies", "kept", "cursors")
    return [rows(folder, f"SELECT * FROM {table}") for table in tables]


def words(line: str) -> list[str]:
    return line.split()


def test_it_shows_what_would_change_and_changes_nothing(trawl: Trawl, filled: Path) -> None:
    before = everything(filled)
    told = trawl("judge", "--min-side", 50)
    assert told.code == 0
    lines = told.out.splitlines()
    assert words(lines[1]) == ["from", "reason", "to", "for", "count", "example"]
    assert words(lines[2])[:5] == ["accepted", "→", "rejected", "too_small", "3"]
    assert words(lines[2])[5].startswith("folder:")
    assert "nothing was changed; do it with: --apply" in told.out
    assert everything(filled) == before
    assert "nothing would change" in trawl("judge", "--min-side", 33).out


def test_applied_it_is_done_and_undo_takes_all_of_it_back(trawl: Trawl, filled: Path) -> None:
    before = states(filled)
    assert "3 works changed; take it back with: trawl undo" in (
        trawl("judge", "--min-side", 50, "--apply").out
    )
    small = "rejected:too_small"
    assert states(filled) == {
        "a": small, "b": "accepted", "c": "accepted", "d": small, "e": small,
    }  # fmt: skip
    ((policy,),) = rows(filled, "SELECT policy FROM crawls")
    assert json.loads(policy)["resolution"]["min_side"] == 50
    assert [kind for (kind,) in rows(filled, "SELECT kind FROM events WHERE sha256 NOT NULL")] == [
        *["accepted"] * 5,
        *["retracted"] * 3,
    ]
    assert rows(filled, "SELECT wanted, files FROM kept ORDER BY wanted") == [(0, 3), (1, 2)]
    assert "judge resolution.min_side=50" in trawl("undo", "--list").out
    assert trawl("undo").code == 0
    assert states(filled) == before
    ((policy,),) = rows(filled, "SELECT policy FROM crawls")
    assert json.loads(policy)["resolution"]["min_side"] == 32
    assert rows(filled, "SELECT state FROM crawls") == [("finished",)]


def test_each_application_is_undone_by_itself(trawl: Trawl, filled: Path) -> None:
    steps = [states(filled)]
    for side in (45, 70, 35):
        assert trawl("judge", "--min-side", side, "--apply").code == 0
        steps.append(states(filled))
    for expected in reversed(steps[:-1]):
        assert trawl("undo").code == 0
        assert states(filled) == expected
    assert trawl("undo").code != 0


def test_it_says_what_must_be_fetched_again(trawl: Trawl, filled: Path) -> None:
    trawl("judge", "--min-side", 50, "--apply")
    change(filled, "UPDATE images SET stored = 0 WHERE wanted = 0")
    told = trawl("judge", "--min-side", 44, "--json").out
    (crawl,) = json.loads(told)["crawls"]
    assert crawl["fetch"]["files"] == 2
    sizes = rows(filled, "SELECT sum(bytes) FROM images WHERE width = 48")
    assert [(crawl["fetch"]["bytes"],)] == sizes
    assert crawl["fetch"]["unsized"] == 0
    (move,) = crawl["moves"]
    assert (move["reason_before"], move["state"], move["count"]) == ("too_small", "pending", 2)
    assert "2 files have to be fetched" in trawl("judge", "--min-side", 44, "--apply").out
    assert trawl("resume").code == 0
    assert sorted(states(filled).values()) == ["accepted"] * 4 + ["rejected:too_small"]


def test_what_the_site_was_not_asked_for_is_pointed_out(trawl: Trawl, filled: Path) -> None:
    assert "works may exist that were not listed" in trawl("judge", "--min-side", 16).out
    assert "works may exist" not in trawl("judge", "--min-side", 40).out


def test_a_crawl_whose_target_is_no_longer_met_goes_on(
    trawl: Trawl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "ws"
    monkeypatch.setenv("TRAWL_WORKSPACE", str(folder))
    for name, side in SIDES.items():
        paint(tmp_path / "shelf", name, side)
    trawl("crawl", "folder", tmp_path / "shelf", "--want", 2, *LOOSE, "-q")
    assert states(folder)["a"] == "accepted"
    ((crawl,),) = rows(folder, "SELECT id FROM crawls")
    told = trawl("judge", "--min-side", 60, "--apply")
    assert f"go on with: trawl resume {crawl}" in told.out
    assert rows(folder, "SELECT state FROM crawls") == [("stopped",)]
    assert trawl("resume", "-q").code == 0
    assert [name for name, state in states(folder).items() if state == "accepted"] == ["b", "c"]
    assert rows(folder, "SELECT state FROM crawls") == [("finished",)]


def test_a_finished_crawl_that_keeps_its_target_stays_finished(trawl: Trawl, filled: Path) -> None:
    assert "go on with" not in trawl("judge", "--min-side", 45, "--apply").out
    assert rows(filled, "SELECT state FROM crawls") == [("finished",)]


def test_what_a_person_said_stays(trawl: Trawl, filled: Path) -> None:
    names = {
        Path(name).stem: f"folder:{name}"
        for (name,) in rows(filled, "SELECT site_id FROM candidates")
    }
    assert trawl("accept", names["e"]).code == 0
    assert trawl("reject", names["c"]).code == 0
    assert trawl("judge", "--min-side", 50, "--apply").code == 0
    found = states(filled)
    assert (found["e"], found["c"]) == ("accepted:by_person", "rejected:by_person")
    assert found["a"] == "rejected:too_small"
    assert trawl("undo").code == 0
    assert states(filled)["a"] == "accepted"
    assert states(filled)["e"] == "accepted:by_person"


def test_only_the_crawl_that_is_named_is_judged(trawl: Trawl, filled: Path, tmp_path: Path) -> None:
    paint(tmp_path / "other", "f", 40)
    trawl("crawl", "folder", tmp_path / "other", *LOOSE, "-q")
    ((crawl,),) = rows(filled, "SELECT id FROM crawls WHERE query LIKE '%other'")
    told = trawl("judge", "--crawl", crawl[:6], "--min-side", 100, "--apply")
    assert "1 work changed" in told.out
    assert states(filled)["c"] == "accepted"
    assert states(filled)["f"] == "rejected:too_small"
    assert trawl("judge", "--crawl", "nowhere").code == 2


def test_a_policy_that_is_no_threshold_is_judged_one_by_one(
    trawl: Trawl, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "PAUSE", 0.0)
    change(filled, "UPDATE candidates SET rating = 's' WHERE site_id LIKE '%a.png'")
    told = trawl("judge", "--rating", "g", "--apply")
    assert told.code == 0
    assert "5 of 5 works judged" in told.err
    assert states(filled)["a"] == "rejected:rating"
    assert states(filled)["b"] == "accepted"
    assert "works judged" not in trawl("judge", "--rating", "g", "-q").err


def test_while_an_engine_runs_it_shows_but_does_not_apply(trawl: Trawl, filled: Path) -> None:
    with EngineLock(filled):
        assert trawl("judge", "--min-side", 50).code == 0
        told = trawl("judge", "--min-side", 50, "--apply")
    assert told.code == 11
    assert "trawl stop" in told.err
    assert set(states(filled).values()) == {"accepted"}


@pytest.mark.parametrize(
    "wrong",
    [
        ("--set", "quality.min_sharpness=9"),
        ("--set", "nothing.at_all=1"),
        ("--allow", "blocked_content"),
        ("--min-side", "many"),
    ],
)
def test_what_no_filter_understands_is_refused(
    trawl: Trawl, filled: Path, wrong: tuple[str, str]
) -> None:
    assert trawl("judge", *wrong, "--apply").code == 2
    assert rows(filled, "SELECT count(*) FROM actions") == [(0,)]


def test_without_a_workspace_there_is_nothing_to_judge(trawl: Trawl, tmp_path: Path) -> None:
    assert trawl("judge", "-w", tmp_path / "none").code == 2
    assert trawl("judge", "-w", tmp_path / "none", "--apply").code == 2
    assert not (tmp_path / "none").exists()


DYING = """
import os, signal, sys
from crawler.cli.main import main
from storage.judging import moves

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(moves, sys.argv[1], die)
sys.exit(main(["judge", "--min-side", "50", "--apply", "-q"]))
"""


@pytest.mark.parametrize("instant", ["regroup", "apply", "_keep_wanted", "settled", "end"])
def test_killed_while_it_is_done_nothing_has_changed(
    trawl: Trawl, filled: Path, instant: str
) -> None:
    before = everything(filled)
    done = subprocess.run([sys.executable, "-c", DYING, instant], check=False)
    assert done.returncode == -signal.SIGKILL
    assert everything(filled) == before
    triggers = rows(filled, "SELECT count(*) FROM sqlite_master WHERE type = 'trigger'")
    assert trawl("judge", "--min-side", 50, "--apply").code == 0
    assert list(states(filled).values()).count("rejected:too_small") == 3
    assert rows(filled, "SELECT count(*) FROM sqlite_master WHERE type = 'trigger'") == triggers


def test_thresholds_that_are_these_already_are_no_action(trawl: Trawl, filled: Path) -> None:
    assert "accepted: " in trawl("judge", "--min-side", 45, "--apply").out
    again = trawl("judge", "--min-side", 45, "--apply")
    assert "the thresholds were these already" in again.out
    assert rows(filled, "SELECT count(*) FROM actions") == [(1,)]
