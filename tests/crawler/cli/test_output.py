"""Tables, CSV and JSON, with nothing in them that a terminal or a parser would obey."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.cli.output import as_json, csv_line, printable, size, table
from crawler.cli.report import reasons_table
from storage.records import Row


def test_columns_line_up_and_numbers_stand_right() -> None:
    text = table(["name", "count"], [["a", 1], ["bbbbbb", 200], [None, 3]], right="count")
    assert text.splitlines() == ["name    count", "a           1", "bbbbbb    200", "            3"]


def test_a_terminal_gets_no_control_characters() -> None:
    assert "\x1b" not in table(["tag"], [["\x1b[2Jred"]])
    assert printable("a\nb\x9bc") == "a�b�c"


@given(
    st.lists(st.one_of(st.none(), st.integers(), st.text(alphabet=st.characters(codec="utf-8"))))
)
def test_csv_comes_back_as_it_was(values: list[object]) -> None:
    line = csv_line(values)
    [back] = csv.reader(io.StringIO(line, newline="")) if line else [[]]
    assert back == ["" if value is None else str(value) for value in values]


def test_records_become_json() -> None:
    row = Row("accepted", None, 3, "site:1")
    document = json.loads(as_json({"row": row, "path": Path("/x"), "set": frozenset("ba")}))
    assert document == {
        "row": {"state": "accepted", "reason": None, "count": 3, "example": "site:1"},
        "path": "/x",
        "set": ["a", "b"],
    }


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1400, "1.4 kB"), (2.5e12, "2.5 TB")]
)
def test_sizes_for_a_person(count: float, text: str) -> None:
    assert size(count) == text


ROWS = [
    Row("failed", "md5_mismatch", 1, "danbooru:4"),
    Row("rejected", "md5_mismatch", 2, "danbooru:3"),
    Row("rejected", "comic", 5, "danbooru:2"),
    Row("accepted", None, 12, "danbooru:1"),
]


def test_the_table_of_reasons_has_counts_shares_examples_and_meanings() -> None:
    lines = reasons_table(ROWS, {"comic": "tagged as a comic", "md5_mismatch": "tagged so"})
    assert [" ".join(line.split()) for line in lines.splitlines()[1:]] == [
        "accepted 12 60.0% danbooru:1 in the set",
        "rejected comic 5 25.0% danbooru:2 tagged as a comic",
        "rejected md5_mismatch 2 10.0% danbooru:3 tagged so",
        "failed md5_mismatch 1 5.0% danbooru:4 other bytes than the source says, again and again",
    ]


def test_without_explanations_the_meanings_are_left_out() -> None:
    assert "meaning" not in reasons_table(ROWS)
    assert reasons_table([]).split() == ["state", "reason", "count", "share", "example"]
