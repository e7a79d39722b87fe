"""The documents cannot drift: every block of tutorial and how-tos is run and must print what the
page says, the reference is made from the code, every link leads somewhere.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts import reference

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])
BLOCK = re.compile(r"^```(sh|python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "--- block"
HOW_TOS = sorted((ROOT / "docs" / "how-to").glob("*.md"))
PRACTICE = "<!-- practice site -->"
SERVE = """
trawl demo --serve > site.env & practice=$!
until test -s site.env; do sleep 0.1; done
. ./site.env
"""


def blocks(document: Path) -> list[tuple[str, str]]:
    """(commands, expected output) of each block to run; expected is empty where none follows."""
    found: list[tuple[str, str]] = []
    for kind, text in BLOCK.findall(document.read_text("utf-8")):
        if kind == "sh":
            found.append((text, ""))
        elif kind == "python":
            found.append((f"python - <<'END OF BLOCK'\n{text}END OF BLOCK", ""))
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


def run(document: Path, home: Path) -> tuple[Path, int]:
    """Run every block of a document in one shell, one after the other, as a reader would.

    A page that begins with ``<!-- practice site -->`` has the demo site running, and ``trawl``
    pointed at it. Returns the folder it ran in, and how many blocks ran.
    """
    steps = blocks(document)
    script = ["set -m"]
    served = PRACTICE in document.read_text("utf-8")
    if served:
        script.append(SERVE)
    for number, (commands, _) in enumerate(steps):
        script += [f"echo '{MARK} {number}'", commands]
    script.append(f"echo '{MARK} end'")
    if served:
        script.append("kill $practice")
    environ = {k: v for k, v in os.environ.items() if not k.startswith("TRAWL_")}
    environ |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_STATE_HOME": str(home / "state"),
    }
    work = home / "work"
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
    assert "Traceback" not in ran.stderr, ran.stderr
    return work, len(steps)


def test_tutorial_blocks_do_what_they_say(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    work, ran = run(ROOT / "docs" / "tutorial.md", tmp_path)
    record_property("document blocks", ran)
    assert ran >= 10
    assert (work / "sets" / "reimu.sheet.jpg").is_file()
    assert len(list((work / "sets" / "reimu" / "1_hakurei reimu").glob("*.txt"))) == 10


@pytest.mark.parametrize("document", HOW_TOS, ids=lambda p: p.stem)
def test_how_tos_do_what_they_say(
    document: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    _, ran = run(document, tmp_path)
    record_property("document blocks", ran)
    bare = [commands for commands, expected in blocks(document) if not expected]
    assert not bare, f"{document.name} does not say what this prints:\n{bare[:1]}"


def test_the_reference_is_what_the_code_says() -> None:
    for name, text in reference.pages().items():
        page = ROOT / "docs" / "reference" / name
        assert page.read_text("utf-8") == text, f"run `python scripts/reference.py` for {name}"


def test_everything_in_the_reference_has_a_meaning() -> None:
    for name, text in reference.pages().items():
        empty = [line for line in text.splitlines() if line.endswith("|  |")]
        assert not empty, f"{name} says nothing of {empty}"


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
