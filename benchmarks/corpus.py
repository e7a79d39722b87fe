"""The folders of pictures with known truth that accuracy is measured on, and what they cost."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from training.sources import Source, folds, set_apart

T = TypeVar("T")


def corpus() -> Path:
    """The folder named by TRAWL_CORPUS, else ``../shared/corpus``: it may not be there."""
    beside = Path(__file__).parents[2] / "shared" / "corpus"
    return Path(os.environ.get("TRAWL_CORPUS", beside))


def arguments(about: str | None) -> argparse.ArgumentParser:
    """What every measuring of accuracy by folds takes."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawTextHelpFormatter
    )
    add_folders(parser)
    parser.add_argument("--fold", choices=("train", "tune", "test"))
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--save", action="store_true")
    return parser


def of_fold(sources: Iterable[Source], fold: str | None) -> list[Source]:
    """Those of a fold's origins; without one, all."""
    split = folds()
    return [source for source in sources if not fold or split.get(source.origin) == fold]


def without_doubtful(told: Sequence[T], source: Callable[[T], Source]) -> list[T]:
    """Those that are of no picture which is set apart as not really original."""
    doubtful = set_apart()
    return [one for one in told if (source(one).origin, source(one).path) not in doubtful]


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
