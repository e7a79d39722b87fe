"""The ledger: what it counts, and that it survives on disk."""

from __future__ import annotations

from pathlib import Path

from crawler.demo.ledger import Entry, Ledger


def entry(start: float, path: str, **values: object) -> Entry:
    plain: dict[str, object] = {
        "start": start,
        "end": start + 0.5,
        "wall": 0.0,
        "host": "127.0.0.1:1",
        "method": "GET",
        "path": path,
        "query": "",
        "user_agent": "x",
        "range": None,
        "if_range": None,
        "authorization": False,
        "status": 200,
        "sent": 1,
        "completed": True,
    }
    return Entry(**(plain | values))  # type: ignore[arg-type]


def filled(*entries: Entry) -> Ledger:
    ledger = Ledger()
    for one in entries:
        ledger.add(one)
    return ledger


def test_requests_are_found_by_path_in_the_order_of_their_starts() -> None:
    ledger = filled(entry(2, "/original/a"), entry(1, "/original/b"), entry(0, "/posts.json"))
    assert [one.path for one in ledger.originals()] == ["/original/b", "/original/a"]
    assert len(ledger.requests("/posts*")) == 1


def test_repeats_are_equal_urls_of_one_host() -> None:
    ledger = filled(
        entry(0, "/a"),
        entry(1, "/a"),
        entry(2, "/a", query="page=b1"),
        entry(3, "/a", host="127.0.0.1:2"),
    )
    assert ledger.repeats() == {"127.0.0.1:1/a": 2}


def test_the_most_requests_within_any_window() -> None:
    ledger = filled(*(entry(t, "/a") for t in (0.0, 0.9, 1.0, 1.1, 5.0)))
    assert ledger.most_in(1.0) == 3
    assert ledger.most_in(0.05) == 1
    assert Ledger().most_in(1.0) == 0


def test_who_comes_back_before_the_time_told_is_early() -> None:
    told = entry(0, "/a", status=429, retry_after=2.0)
    on_the_way = entry(0.3, "/b")
    early, in_time = entry(2.4, "/c"), entry(2.6, "/c")
    elsewhere = entry(1.0, "/d", host="127.0.0.1:2")
    ledger = filled(told, on_the_way, early, in_time, elsewhere)
    assert ledger.early() == [early]


def test_lines_on_disk_are_the_same_ledger(tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    for run in range(2):  # a second server goes on in the same file
        ledger = Ledger(file)
        ledger.add(entry(run, "/é", headers={"Accept": "*/*"}))
        ledger.close()
    assert Ledger.read(file).entries == [
        entry(run, "/é", headers={"Accept": "*/*"}) for run in range(2)
    ]


def test_a_line_that_is_still_being_written_is_left_for_later(tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    filled(entry(0, "/a"), entry(1, "/b")).write(file)
    file.write_text(file.read_text()[:-5])
    assert [one.path for one in Ledger.read(file)] == ["/a"]
