"""Blocked content goes out of exported folders, also where an export was killed or is under way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from crawler.demo.posts import World
from tests.scenarios.driver import Trawl
from tests.scenarios.outcome import outcome, sha256
from tests.scenarios.plugin import install
from tests.scenarios.test_content_safety import copies, pictures, write_tags

ONLY_OF_IT = "canary"
"""A tag of the work that is blocked later."""
NEVER = "-"
"""No file is called so: the kill comes when all are written."""
CRAWL = ("crawl", "folder", "local", "-w", "set", "--all")

DYING = """
import os, signal
from fnmatch import fnmatch
from pathlib import Path
from stages.export.imagefolder import ImageFolder
from stages.export.kohya import Kohya
from stages.export.sheet import Sheet

class Dying:
    "Ends the process before a file gets its name, or when all files are written."

    def write(self, images, out):
        replace = Path.replace

        def watched(path, target):
            if fnmatch(Path(target).name, os.environ["KILL_BEFORE"]):
                os.kill(os.getpid(), signal.SIGKILL)
            return replace(path, target)

        Path.replace = watched
        super().write(images, out)
        os.kill(os.getpid(), signal.SIGKILL)

class DyingKohya(Dying, Kohya):
    name = "dying-kohya"

class DyingFolder(Dying, ImageFolder):
    name = "dying-imagefolder"

class DyingSheet(Dying, Sheet):
    name = "dying-sheet"
"""
DYING_LAYOUTS = """[trawl.exports]
dying-kohya = dying:DyingKohya
dying-imagefolder = dying:DyingFolder
dying-sheet = dying:DyingSheet
"""

LATE = """
import json, os, subprocess, sys
from dataclasses import dataclass
from pathlib import Path
from stages.base import ExportReport
from stages.export.kohya import Kohya

def block():
    told = Path("local", os.environ["VICTIM"] + ".json")
    told.write_text(json.dumps(json.loads(told.read_text()) | {"tag_string_general": "loli"}))
    words = "crawl folder local -w set --all -q".split()
    subprocess.run([sys.executable, "-m", "crawler.cli.main", *words], check=True,
                   stdout=subprocess.DEVNULL)

class Before(Kohya):
    name = "before"
    def write(self, images, out):
        block()
        return super().write(images, out)

class After(Kohya):
    name = "after"
    def write(self, images, out):
        report = super().write(images, out)
        block()
        return report

@dataclass(frozen=True)
class Options:
    pass

class Between:
    "Has read everything when the work is blocked, and says nothing beforehand."
    name, Options = "between", Options
    def __init__(self, options): pass
    def write(self, images, out):
        read = [(image.sha256, out / image.path.name, image.path.read_bytes()) for image in images]
        block()
        out.mkdir()
        for _, path, data in read:
            path.write_bytes(data)
        lines = [json.dumps({"sha256": sha256}) + chr(10) for sha256, _, _ in read]
        (out / "manifest.jsonl").write_text("".join(lines))
        files = [(s, p) for s, f, _ in read for p in (f, out / "manifest.jsonl")]
        return ExportReport(len(read), 0, 0, {}, out, tuple(files))
"""
LATE_LAYOUTS = "[trawl.exports]\nbefore = late:Before\nafter = late:After\nbetween = late:Between\n"


@pytest.fixture
def local(world: World, tmp_path: Path) -> list[Path]:
    """Four pictures, the first of which is to be blocked later."""
    found = sorted(pictures(world, tmp_path / "local"))
    write_tags(found[0], f"1girl {ONLY_OF_IT}", "s")
    return found


def plugged(home: Path, name: str, code: str, layouts: str, **more: str) -> Mapping[str, str]:
    return install(home / "plugin", name, code, layouts) | more


def lists(folder: Path) -> str:
    return "".join(path.read_text() for path in folder.rglob("*.jsonl"))


@pytest.mark.parametrize(
    ("layout", "moments"),
    [
        ("kohya", ("*{}.txt", "*{}.jpg", "manifest.jsonl", NEVER)),
        ("imagefolder", ("*{}.jpg", "manifest.jsonl", "metadata.jsonl", NEVER)),
        ("sheet", ("*.jpg", NEVER)),
    ],
)
def test_what_a_killed_export_left_is_found_when_it_must_go(
    local: list[Path], tmp_path: Path, layout: str, moments: tuple[str, ...]
) -> None:
    Trawl(tmp_path)(*CRAWL)
    installed = plugged(tmp_path, "dying", DYING, DYING_LAYOUTS)
    (tmp_path / "out").mkdir()
    for number, moment in enumerate(moments):
        out = f"out/{number}.jpg" if layout == "sheet" else f"out/{number}"
        words = ("export", out, "-w", "set", "--layout", f"dying-{layout}")
        Trawl(tmp_path, None, dict(installed) | {"KILL_BEFORE": moment.format(local[0].stem)})(
            *words, code=-9
        )
    file = sha256(local[0].read_bytes())
    if layout == "sheet":
        assert len(list((tmp_path / "out").iterdir())) == len(moments)
    else:
        left = copies(tmp_path / "out", file)
        assert any(path.name.startswith(".trawl-") for path in left)
        assert any(local[0].stem in path.name for path in left)
        assert ONLY_OF_IT in lists(tmp_path / "out")
    write_tags(local[0], "1girl loli", "s")
    Trawl(tmp_path)(*CRAWL)
    assert outcome(tmp_path / "set").facts[local[0].name].ending == ("rejected", "blocked_content")
    if layout == "sheet":
        assert list((tmp_path / "out").iterdir()) == []
    for path in (p for p in (tmp_path / "out").rglob("*") if p.is_file()):
        data = path.read_bytes()
        assert sha256(data) != file, path
        assert ONLY_OF_IT.encode() not in data, path
        assert local[0].stem not in path.name
    assert file not in lists(tmp_path / "out")


@pytest.mark.parametrize("layout", ["before", "between", "after"])
def test_what_is_blocked_while_an_export_runs_is_not_in_it(
    local: list[Path], tmp_path: Path, layout: str
) -> None:
    Trawl(tmp_path)(*CRAWL)
    settings = plugged(tmp_path, "late", LATE, LATE_LAYOUTS, VICTIM=local[0].name)
    words = ("export", "out", "-w", "set", "--layout", layout)
    done = Trawl(tmp_path, None, settings)(*words)
    assert "blocked meanwhile" in done.out
    assert outcome(tmp_path / "set").facts[local[0].name].ending == ("rejected", "blocked_content")
    file, others = sha256(local[0].read_bytes()), [sha256(p.read_bytes()) for p in local[1:]]
    assert not copies(tmp_path / "out", file)
    assert all(copies(tmp_path / "out", other) for other in others)
    told = [json.loads(line)["sha256"] for line in lists(tmp_path / "out").splitlines()]
    assert sorted(told) == sorted(others)
    assert not list((tmp_path / "out").rglob(f"*{local[0].stem}*"))
