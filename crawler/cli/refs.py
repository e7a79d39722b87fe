"""Works named on a command line or on standard input, and what is told of those that are not."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from itertools import chain

from crawler.cli.output import printable
from crawler.errors import UsageError

LONGEST = 60
"""Characters of a ref that are repeated: what was piped in by mistake may be of any length."""
MOST = 10
"""Refs that are told one by one."""
_REF = re.compile(r"(?:[\w.-]+:|https?://)\S+|[0-9a-fA-F]{4,64}|\d+")


def read(refs: Iterable[str]) -> Iterator[str]:
    """The refs, those on standard input in the place of a dash.

    There one or several stand on a line, and lines that begin with # are skipped. Raises UsageError
    where the first line is one of another format of ``trawl query``.
    """
    for ref in refs:
        if ref == "-":
            yield from _of_lines(line.strip() for line in sys.stdin)
        else:
            yield ref


def _of_lines(lines: Iterator[str]) -> Iterator[str]:
    lines = (line for line in lines if line and not line.startswith("#"))
    first = next(lines, None)
    if first is None:
        return
    if what := _other_format(first):
        raise UsageError(
            f"standard input looks like {what}, and is to hold one work a line",
            hint="trawl query … --format refs writes it so",
        )
    for line in chain((first,), lines):
        words = line.split()
        # A file may have blanks in its name: only what cannot be one is taken apart.
        yield from words if all(map(_REF.fullmatch, words)) else (line,)


def _other_format(line: str) -> str | None:
    if line.startswith(("{", "[")):
        return "JSON"
    if line.startswith("site,"):
        return "CSV"
    if re.search(r"\S {2,}\S", line) and line.startswith(("work ", "site ")):
        return "a table"
    return None


def shortly(ref: str) -> str:
    """A ref as it is repeated: on one line of a screen, with nothing that steers a terminal."""
    return printable(ref if len(ref) <= LONGEST else f"{ref[: LONGEST - 1]}…")


def told(problems: Iterable[tuple[str, str]]) -> Iterator[str]:
    """A line for each of the first refs with its problem, and how many more there are."""
    every = list(problems)
    yield from (f"{shortly(ref)} {printable(why)}" for ref, why in every[:MOST])
    if len(every) > MOST:
        yield f"and {len(every) - MOST} more"
