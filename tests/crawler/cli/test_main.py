"""The group: help, errors in one line with their exit code, and a start that imports little."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from crawler.cli import main as main_module
from crawler.cli.main import COMMANDS, cli
from crawler.errors import (
    ConfigError,
    Interrupted,
    ItemsFailed,
    LimitReached,
    NoSpace,
    RateLimited,
    SourceError,
    TrawlError,
    UsageError,
    WorkspaceLocked,
)
from tests.crawler.cli.conftest import Spawn, Trawl

HEAVY = (
    *("httpx", "aiohttp", "PIL", "numpy", "sqlite_utils", "rich", "asyncio", "tenacity"),
    *("imagehash", "tomlkit", "importlib.metadata", "platformdirs", "onnxruntime"),
)


def every_command() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    context = click.Context(cli)
    for name in cli.list_commands(context):
        found.append((name,))
        command = cli.get_command(context, name)
        if isinstance(command, click.Group):
            found += [(name, inner) for inner in command.list_commands(context)]
    return found


@pytest.mark.parametrize("words", every_command(), ids=" ".join)
def test_every_command_explains_itself_and_its_options(
    trawl: Trawl, words: tuple[str, ...]
) -> None:
    result = trawl(*words, "--help")
    assert result.code == 0
    assert f"Usage: trawl {' '.join(words)}" in result.out
    command: click.Command = cli
    for word in words:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None
        command = found
    assert command.help
    unexplained = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
    assert unexplained == []


def test_the_help_is_grouped_and_names_every_command(trawl: Trawl) -> None:
    result = trawl("--help")
    assert "docs/exit-codes.md" in " ".join(result.out.split())
    for heading, commands in COMMANDS.items():
        assert f"\n{heading}:\n" in result.out
        for name in commands:
            assert f"\n  {name} " in result.out


@pytest.mark.parametrize("arguments", [["--help"], ["status"], ["query", "1girl"], ["crawl", "-h"]])
def test_quick_commands_import_nothing_heavy(
    arguments: list[str], empty_workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAWL_WORKSPACE", str(empty_workspace))
    # What hosts asked of us is in the user's own folder, which platformdirs finds.
    heavy = [name for name in HEAVY if (arguments, name) != (["status"], "platformdirs")]
    code = (
        "import sys; from crawler.cli.main import main\n"
        f"code = main({arguments!r})\n"
        f"print(code, [name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "0 []"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["qury"], "no command called 'qury'; did you mean query?"),
        (["query", "--frmat", "csv"], "--frmat"),
        (["crawl", "danbooru"], "QUERY"),
        (["crawl", "danbooru", "x", "--max-bytes", "lots"], "takes a size such as 20G"),
        (["crawl", "danbooru", "x", "--max-time", "soon"], "takes a time such as 2h"),
        (["crawl", "danbooru", "x", "--want", "0"], "--want"),
        (["crawl", "danbooru", "x", "--want", "many"], "takes a whole number from 1 up"),
        (["crawl", "danbooru", "x", "--min-side", "1024px"], "takes a size in pixels such as 768"),
        (["demo", "--port", "8000"], "--serve"),
        (["crawl", "danbooru", "x", "--option", "tiers"], "NAME=VALUE"),
        (["crawl", "danboru", "x"], "did you mean danbooru"),
        (["stream", "--ack-stdin"], "--consumer"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(trawl: Trawl, arguments: list[str], said: str) -> None:
    result = trawl(*arguments)
    assert result.code == 2
    assert result.out == ""
    first, *rest = result.err.splitlines()
    assert first.startswith("trawl: ")
    assert said in first
    assert "[E_USAGE]" in first
    assert len(rest) <= 1


def test_without_arguments_there_is_help(trawl: Trawl) -> None:
    result = trawl()
    assert result.code == 2
    assert "Usage: trawl" in result.err + result.out


def test_the_version_is_printed(trawl: Trawl) -> None:
    assert trawl("--version").out == "trawl, version 0.1.0\n"


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    @click.command()
    @click.option("--debug", is_flag=True, expose_value=False)
    def failing() -> None:
        raise error

    monkeypatch.setattr("crawler.cli.status.command", failing)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TrawlError("it broke"), 1),
        (UsageError("it broke"), 2),
        (NoSpace("it broke"), 3),
        (ConfigError("it broke"), 4),
        (SourceError("it broke"), 5),
        (ItemsFailed("it broke"), 6),
        (LimitReached("it broke"), 7),
        (RateLimited("it broke"), 8),
        (WorkspaceLocked("it broke"), 11),
        (Interrupted("it broke"), 130),
    ],
    ids=lambda value: getattr(value, "code", value),
)
def test_every_error_has_its_exit_code_and_is_told_with_its_code_and_hint(
    trawl: Trawl, monkeypatch: pytest.MonkeyPatch, error: TrawlError, code: int
) -> None:
    fail_with(monkeypatch, error)
    result = trawl("status")
    assert result.code == code
    hint = [f"       {error.hint}"] if error.hint else []
    assert result.err.splitlines() == [f"trawl: it broke [{error.code}]", *hint]


def test_an_unexpected_error_is_one_line_unless_debugged(
    trawl: Trawl, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(monkeypatch, ValueError("some\nthing"))
    result = trawl("status")
    assert result.code == 1
    assert result.err.splitlines() == [
        "trawl: ValueError: some thing [E_UNEXPECTED]",
        "       run again with --debug to see where, and please report it",
    ]
    assert "Traceback" in trawl("status", "--debug").err


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (
            OSError(errno.ENOSPC, "No space left", "a/b"),
            3,
            "trawl: a/b: No space left [E_NO_SPACE]",
        ),
        (OSError(errno.EDQUOT, "Quota exceeded"), 3, "trawl: Quota exceeded [E_NO_SPACE]"),
        (PermissionError(errno.EACCES, "Denied", "a/b"), 1, "trawl: a/b: Denied [E_IO]"),
    ],
    ids=["full", "quota", "denied"],
)
def test_trouble_of_the_disk_is_no_bug(
    trawl: Trawl, monkeypatch: pytest.MonkeyPatch, error: OSError, code: int, line: str
) -> None:
    fail_with(monkeypatch, error)
    result = trawl("status")
    assert (result.code, result.err.splitlines()[0]) == (code, line)
    assert "report it" not in result.err


def test_an_expected_error_keeps_its_exit_code_when_debugged(
    trawl: Trawl, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(monkeypatch, ConfigError("it broke"))
    result = trawl("status", "--debug")
    assert result.code == 4
    assert "Traceback" in result.err


def test_an_interrupt_is_exit_130(trawl: Trawl, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, KeyboardInterrupt())
    result = trawl("status")
    assert result.code == 130
    assert "Traceback" not in result.err


@pytest.mark.parametrize("arguments", [["status"], ["query", "--format", "csv"]])
def test_a_closed_pipe_ends_a_command_in_silence(
    spawn: Spawn, empty_workspace: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setenv("TRAWL_WORKSPACE", str(empty_workspace))
    reading, writing = os.pipe()
    os.close(reading)
    process = spawn(*arguments, stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")


def test_the_module_names_of_the_table_exist() -> None:
    folder = Path(main_module.__file__).parent
    for section in COMMANDS.values():
        for module in section.values():
            assert (folder / f"{module}.py").is_file()
