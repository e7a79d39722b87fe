"""The folders of pictures with known truth that accuracy is measured on, and what they cost."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path


def corpus() -> Path:
    """The folder named by TRAWL_CORPUS, else ``../shared/corpus``: it may not be there."""
    beside = Path(__file__).parents[2] / "shared" / "corpus"
    return Path(os.environ.get("TRAWL_CORPUS", beside))


def add_folders(parser: argparse.ArgumentParser) -> None:
    """``--folder``: one or several, each with an ``index.csv`` like the corpus's."""
    parser.add_argument(
        "--folder",
        type=Path,
        nargs="+",
        action="extend",
        help="pictures with their index.csv; the corpus, where none is named",
    )


def indexes(folders: list[Path] | None) -> list[Path]:
    """The index of every folder that was named. Exits where one is missing."""
    found = [folder / "index.csv" for folder in folders or [corpus()]]
    for index in found:
        if not index.is_file():
            raise SystemExit(
                f"no {index}: name a folder with pictures and their index.csv, or set TRAWL_CORPUS"
            )
    return found


def typed(given: argparse.Namespace) -> list[str]:
    """What a reader types to get the same again, for the head of a report."""
    folders = ["--folder", *("FOLDER" for _ in given.folder)] if given.folder else []
    chosen = [("--fold", vars(given).get("fold")), ("--crossed", vars(given).get("crossed"))]
    return folders + [word for name, value in chosen if value for word in (name, str(value))]


def least_cpu(work: Callable[[], object], rounds: int) -> float:
    """CPU milliseconds of this process: the least of several rounds, after one that warms up."""
    work()
    spent = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return min(spent) * 1000
