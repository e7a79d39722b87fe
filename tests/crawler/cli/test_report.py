"""The end of a run and of an export, in words."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crawler import plugins
from crawler.cli.exporting import report_text
from crawler.cli.report import OUTCOMES, outcome, reasons_table, totals
from crawler.run import Summary
from crawler.stats import Stats
from storage.records import Row

PENDING = Row("pending", None, 7, "site:1")


def summary(accepted: int, want: int | None, *rows: Row, state: Any = "finished") -> Summary:
    return Summary("abc", state, accepted, want, rows, Stats())


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (summary(5, 5), "5 of 5 accepted; "),
        (summary(3, 5), "3 of 5 accepted (the source has no more); "),
        (summary(3, 5, state="stopped"), "3 of 5 accepted; "),
        (summary(3, None), "3 accepted; "),
        (summary(5, 5, PENDING), "5 of 5 accepted; 7 more were listed and not needed; "),
        (summary(3, 5, PENDING, state="stopped"), "3 of 5 accepted; 0 seen"),
        (summary(30, 12), "12 wanted: the first 12 of 30 accepted are the set; "),
    ],
)
def test_the_totals_say_how_far_it_came(ended: Summary, said: str) -> None:
    assert totals(ended).startswith(said)


def test_what_is_pending_was_not_needed_once_a_crawl_is_finished() -> None:
    assert "not looked at yet" in reasons_table([PENDING], {})
    assert "listed, not needed for the target" in reasons_table([PENDING], {}, finished=True)


def report(**changes: Any) -> dict[str, Any]:
    counts = {"written": 6, "unchanged": 0, "removed": 0}
    return {**counts, "skipped": {}, "folder": Path("out"), **changes}


def test_an_export_says_what_it_left_out_and_what_else_there_is() -> None:
    assert report_text(report()) == "out: 6 written"
    assert report_text(report(skipped={"no_file": 32}, notes={"have no caption": 2})) == (
        "out: 6 written\n"
        "38 works, 32 without a file (not downloaded, or not kept) left out\n"
        "note: 2 have no caption"
    )


NO_STATE_OF_A_WORK = {
    "challenge",  # ends the run
    "rate_limited",  # so does this
    "not_json",  # said of answers, never of files
}


def test_every_reason_that_a_work_can_end_with_is_explained() -> None:
    """Reasons are spelled where they are raised; a person reads them in the table."""
    told = set(OUTCOMES) | set(plugins.judge().reasons()) | NO_STATE_OF_A_WORK
    spelled = {
        reason for path in SOURCES for reason in _reasons(ast.parse(path.read_text("utf-8")))
    }
    assert len(spelled) > 30
    assert sorted(spelled - told) == ["http_"]  # with any number
    assert outcome("http_418") == "its host answers with status 418"
    assert list(OUTCOMES) == sorted(OUTCOMES)


def _reasons(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.keyword) and node.arg == "unavailable":
            values: list[ast.expr] = [node.value]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in RAISED:
            values = node.args[:1]
        else:
            continue
        for value in values:
            for part in ast.walk(value):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


RAISED = {"PictureError", "FetchError", "Trouble"}
ROOT = Path(__file__).parents[3]
SOURCES = [p for folder in ("crawler", "filters") for p in (ROOT / folder).rglob("*.py")]
