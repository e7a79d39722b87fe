"""The documents cannot drift: every block of the tutorial is run, every link leads somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "--- block"


def blocks(document: Path) -> list[tuple[str, str]]:
    """(commands, expected output) of each shell block; expected is empty where none follows."""
    found: list[tuple[str, str]] = []
    for kind, text in BLOCK.findall(document.read_text("utf-8")):
        if kind == "sh":
            found.append((text, ""))
        else:
            assert found, f"{document.name}: output without commands"
            assert not found[-1][1], f"{document.name}: two outputs for one block"
            found[-1] = (found[-1][0], text)
    return found


def matches(expected: str, printed: str) -> bool:
    """Whether each expected line is a line of what was printed, in order; … stands for anything."""
    lines = iter(printed.splitlines())
    for line in expected.splitlines():
        pattern = re.compile(".*".join(map(re.escape, line.strip().split("…"))))
        if not any(pattern.fullmatch(candidate.strip()) for candidate in lines):
            return False
    return True


def test_tutorial_blocks_do_what_they_say(tmp_path: Path) -> None:
    steps = blocks(ROOT / "docs" / "tutorial.md")
    assert len(steps) >= 10
    script = ["set -m"]
    for number, (commands, _) in enumerate(steps):
        script += [f"echo '{MARK} {number}'", commands]
    script.append(f"echo '{MARK} end'")
    environ = {k: v for k, v in os.environ.items() if not k.startswith("TRAWL_")}
    environ |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    work = tmp_path / "work"
    work.mkdir()
    ran = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=work,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    parts = re.split(rf"^{MARK} \w+\n", ran.stdout, flags=re.MULTILINE)[1:]
    assert len(parts) == len(steps) + 1, f"the blocks did not all run:\n{ran.stdout}\n{ran.stderr}"
    for (commands, expected), printed in zip(steps, parts, strict=False):
        assert matches(expected, printed), (
            f"$ {commands}printed:\n{printed}\ninstead of:\n{expected}\nstderr:\n{ran.stderr}"
        )
    assert (work / "sets" / "reimu.sheet.jpg").is_file()
    assert len(list((work / "sets" / "reimu" / "1_hakurei reimu").glob("*.txt"))) == 10
    print(f"{len(steps)} blocks ran")


def test_a_wrong_output_would_be_noticed() -> None:
    assert matches("a…c\nd", "abc\nx\nd\n")
    assert not matches("d\na…c", "abc\nd\n")
    assert not matches("30", "130\n")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text("utf-8")):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_in_documents_exist(document: Path) -> None:
    from crawler.cli.main import cli

    known = set(cli.list_commands(None))  # type: ignore[arg-type]
    named = set(re.findall(r"(?:^|`|/)trawl ([a-z]+)", document.read_text("utf-8"), re.MULTILINE))
    assert named <= known, f"{document.name} names {sorted(named - known)}"
