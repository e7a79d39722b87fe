"""The page of exit codes holds every error there is, with the codes it really has."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.errors import TrawlError

PAGE = (Path(__file__).parents[3] / "docs" / "exit-codes.md").read_text()
PACKAGES = ("crawler", "filters", "stages", "storage")


def every_error() -> list[type[TrawlError]]:
    for name in PACKAGES:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            importlib.import_module(module.name)
    ours = (kind for kind in below(TrawlError) if kind.__module__.split(".")[0] in PACKAGES)
    return sorted({*ours}, key=lambda kind: kind.__name__)


def below(kind: type[TrawlError]) -> Iterator[type[TrawlError]]:
    yield kind
    for sub in kind.__subclasses__():
        yield from below(sub)


def cells(line: str) -> list[str]:
    return [cell.strip(" `") for cell in line.strip("|").split("|")]


EXIT_CODES = {cells(line)[0] for line in PAGE.splitlines() if re.match(r"\| \d+ \|", line)}
CODES = {cells(line)[0]: cells(line)[1] for line in PAGE.splitlines() if line.startswith("| `E_")}


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_error_is_on_the_page(kind: type[TrawlError]) -> None:
    assert CODES[kind.code] == str(kind.exit_code)
    assert str(kind.exit_code) in EXIT_CODES


def test_the_page_tells_of_no_error_that_there_is_not() -> None:
    assert set(CODES) - {kind.code for kind in every_error()} == {"E_IO"}
