"""``accept``, ``reject``, ``undo`` and ``retry`` on a real workspace."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from crawler.deciding import LARGEST
from crawler.demo.site import DemoSite
from storage.database import open_reader, write_once
from tests.crawler.cli.conftest import Trawl
from tests.crawler.shelf import paint

WANT = 6


@pytest.fixture
def filled(trawl: Trawl, site: DemoSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with six pictures, which commands find by themselves."""
    folder = tmp_path / "filled"
    monkeypatch.setenv("TRAWL_WORKSPACE", str(folder))
    assert trawl("crawl", "danbooru", "hakurei_reimu", "--want", WANT, "-q").code == 0
    return folder


def rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    db = open_reader(folder / "catalog.db")
    try:
        return [tuple(row) for row in db.execute(sql).fetchall()]
    finally:
        db.close()


def works(folder: Path, state: str, *, held: bool = True) -> list[str]:
    """``site:id`` of the works in a state, with or without a picture, in the crawl's order."""
    return [
        name
        for (name,) in rows(
            folder,
            "SELECT c.site || ':' || c.site_id FROM works w JOIN candidates c"
            f" ON c.id = w.candidate_id WHERE w.state = '{state}'"
            f" AND c.image IS {'NOT' if held else ''} NULL ORDER BY w.position",
        )
    ]


def state(folder: Path, ref: str) -> tuple[str, str | None]:
    (found,) = rows(
        folder,
        "SELECT w.state, w.reason FROM works w JOIN candidates c ON c.id = w.candidate_id"
        f" WHERE c.site || ':' || c.site_id = '{ref}'",
    )
    return found


def test_a_rejected_picture_is_made_up_for_and_undone(trawl: Trawl, filled: Path) -> None:
    first, *_ = works(filled, "accepted")
    (crawl,) = rows(filled, "SELECT id FROM crawls")[0]
    told = trawl("reject", first, "--note", "a sketch")
    assert told.code == 0
    assert f"rejected: {first}" in told.out
    assert f"crawl {crawl}: -1 in the set" in told.out
    assert state(filled, first) == ("rejected", "by_person")
    assert "a person said so" in trawl("status", "--explain").out
    assert trawl("resume", crawl, "-q").code == 0
    assert len(works(filled, "accepted")) == WANT
    assert "a sketch" in trawl("undo", "--list").out
    told = trawl("undo")
    assert (told.code, told.out.splitlines()[0]) == (0, f"undone: reject {first}")
    assert state(filled, first) == ("accepted", None)
    nothing = trawl("undo")
    assert (nothing.code, "nothing is left to undo" in nothing.err) == (2, True)
    listed = json.loads(trawl("undo", "--list", "--json").out)["actions"]
    assert [(a["kind"], a["undone_at"] is None) for a in listed] == [("reject", False)]


def test_accepted_without_bytes_it_waits_for_the_next_run(trawl: Trawl, filled: Path) -> None:
    unseen = works(filled, "rejected", held=False)
    ref = next(one for one in unseen if state(filled, one)[1] != "blocked_content")
    (crawl,) = rows(filled, "SELECT id FROM crawls")[0]
    told = trawl("accept", ref)
    assert f"1 waits for its file: trawl resume {crawl}" in told.out
    assert state(filled, ref) == ("pending", None)
    assert trawl("resume", crawl, "-q").code == 0
    assert state(filled, ref) == ("accepted", "by_person")
    assert trawl("crawl", "danbooru", "hakurei_reimu", "--want", WANT, "-q").code == 0
    assert state(filled, ref) == ("accepted", "by_person")


def test_refs_are_read_from_standard_input(
    trawl: Trawl, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refs = works(filled, "accepted")[:3]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(refs) + "\n\n"))
    document = json.loads(trawl("reject", "-", "--json").out)
    assert (document["v"], document["type"], document["decided"]) == (1, "reject", 3)
    assert {move["work"] for move in document["moves"]} >= set(refs)
    assert all(move["after"]["reason"] == "by_person" for move in document["moves"])
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    nothing = trawl("reject", "-")
    assert (nothing.code, nothing.out) == (0, "nothing was named, nothing is rejected\n")


def test_a_stored_and_an_exported_file_name_their_work(trawl: Trawl, filled: Path) -> None:
    assert trawl("export", "set", "--layout", "imagefolder").code == 0
    exported = next(
        path for path in sorted(Path("set").rglob("*")) if path.suffix in (".jpg", ".png")
    )
    stored = trawl("query", "state:accepted", "--format", "paths", "--limit", "1").out.strip()
    for path in (exported, stored):
        before = len(works(filled, "accepted"))
        assert trawl("reject", path).code == 0
        assert len(works(filled, "accepted")) == before - 1
        assert trawl("undo").code == 0


def test_what_cannot_be_accepted_is_told_and_the_rest_is_done(trawl: Trawl, filled: Path) -> None:
    (blocked,) = rows(
        filled,
        "SELECT site || ':' || site_id FROM candidates WHERE outcome = 'blocked' LIMIT 1",
    )[0]
    alone = trawl("accept", blocked)
    assert alone.code == 2
    assert "blocked content" in alone.err
    good = works(filled, "rejected", held=False)[0]
    both = trawl("accept", blocked, good)
    assert both.code == 0
    assert f"not accepted: {blocked} is blocked content" in both.err
    assert f"accepted: {good}" in both.out
    assert both.out.splitlines()[-1] == "1 accepted, 1 not"
    mistaken = trawl("reject", "danbooru:0", works(filled, "accepted")[0])
    assert mistaken.code == 2
    assert "danbooru:0 names nothing" in mistaken.err
    assert "[E_NOT_FOUND]" in mistaken.err
    assert "rejected: " in mistaken.out


def test_a_decision_needs_a_catalog(trawl: Trawl) -> None:
    for words in (("accept", "danbooru:1"), ("reject", "abcd"), ("undo",), ("retry",), ("stop",)):
        told = trawl(*words)
        assert (told.code, "[E_NO_WORKSPACE]" in told.err) == (2, True), words


def test_failed_works_are_tried_again(trawl: Trawl, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    assert trawl("crawl", "folder", folder, "-w", "ws", "-q").code == 0
    ((reason,),) = rows(Path("ws"), "SELECT reason FROM works WHERE state = 'failed'")
    told = trawl("retry", "-w", "ws", "--reason", "timeout")
    assert (told.code, "has failed for timeout: nothing to try again" in told.out) == (0, True)
    wrong = trawl("retry", "-w", "ws", "--reason", "tiemout")
    assert wrong.code == 2
    assert f"{reason} (1)" in wrong.err
    (folder / "broken.png").unlink()
    again = trawl("retry", "-w", "ws", "--reason", f"{reason},timeout")
    assert again.code == 0
    assert "1 work that failed is tried again" in again.err
    assert rows(Path("ws"), "SELECT reason FROM works WHERE state = 'failed'") == [("gone",)]


def test_nothing_failed_is_nothing_to_retry(trawl: Trawl, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    assert trawl("crawl", "folder", tmp_path / "pictures", "-w", "ws", "-q").code == 0
    told = trawl("retry", "-w", "ws")
    assert (told.code, "nothing to try again" in told.out) == (0, True)
    document = json.loads(trawl("retry", "-w", "ws", "--json").out)
    assert document["works"] == 0


def test_nothing_running_is_no_error(trawl: Trawl, empty_workspace: Path) -> None:
    told = trawl("stop", "-w", empty_workspace)
    assert (told.code, told.out) == (0, f"nothing is running in {empty_workspace}\n")
    assert json.loads(trawl("stop", "-w", empty_workspace, "--json").out)["crawl"] is None


def test_what_is_no_text_names_nothing(
    trawl: Trawl, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ref in ("\udcff:1", "danbooru:\udcff"):
        told = trawl("accept", ref)
        assert (told.code, "names nothing in the catalog" in told.err) == (2, True)
    assert trawl("reject", works(filled, "accepted")[0], "--note", "a\udcffb").code == 0
    assert "a?b" in trawl("undo", "--list").out


def failed_all(folder: Path) -> int:
    """Have all works that no one has looked at fail; returns how many have failed then."""
    failed = "UPDATE works SET state = 'failed', reason = 'http_404' WHERE state = 'pending'"
    write_once(folder / "catalog.db", lambda db: db.execute(failed))
    ((count,),) = rows(folder, "SELECT count(*) FROM works WHERE reason = 'http_404'")
    return int(count)


def test_failed_works_are_tried_also_where_the_target_is_met(
    trawl: Trawl, filled: Path, site: DemoSite
) -> None:
    count = failed_all(filled)
    told = trawl("retry", "--reason", "http_404")
    assert told.code == 0
    assert f"{count} works that failed are tried again" in told.err
    assert rows(filled, "SELECT 1 FROM works WHERE state = 'pending'") == []
    assert rows(filled, "SELECT count(*) FROM works WHERE state = 'failed'")[0][0] < count
    assert len(works(filled, "accepted")) > WANT


def test_what_fails_again_says_why_again(trawl: Trawl, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nno picture")
    paint(folder, "b", 48)
    loose = ("--min-side", 32, "--min-pixels", 1)
    crawl = ("crawl", "folder", folder, "-w", "ws", "--want", 1, "-q", *loose)
    assert trawl(*crawl).code == 0
    seen = rows(Path("ws"), "SELECT state, reason FROM works ORDER BY position")
    assert [state for state, _ in seen] == ["failed", "accepted"]
    for _ in range(2):
        told = trawl("retry", "-w", "ws", "--reason", seen[0][1])
        assert "1 work that failed is tried again" in told.err
        assert rows(Path("ws"), "SELECT state, reason FROM works ORDER BY position") == seen
    assert rows(Path("ws"), "SELECT count(*) FROM attempts WHERE outcome = 'failed'") == [(3,)]
    trawl("retry", "-w", "ws", "--reason", seen[0][1])
    assert trawl(*crawl).code == 0
    assert rows(Path("ws"), "SELECT state, reason FROM works ORDER BY position") == seen


def test_what_a_retry_could_not_try_waits_and_is_told(trawl: Trawl, filled: Path) -> None:
    failed_all(filled)
    (crawl,) = rows(filled, "SELECT id FROM crawls")[0]
    ended = trawl("retry", "--max-bytes", "1")
    assert ended.code == 7
    waiting = "SELECT count(*) FROM works WHERE state = 'pending' AND reason = 'retry'"
    ((left,),) = rows(filled, waiting)
    assert left > 1
    assert f"{left} works were not tried: trawl resume {crawl}" in ended.err
    assert "`trawl retry` asked" in trawl("status", "--explain").out
    nothing = trawl("retry", "--reason", "proxy_failed")
    assert f"{left} works wait to be tried again since an earlier retry" in nothing.out
    assert trawl("judge", "--min-side", "300", "--apply").code == 0
    assert rows(filled, waiting) == [(left,)]
    write_once(filled / "catalog.db", lambda db: db.execute("UPDATE crawls SET state = 'finished'"))
    assert f"go on with: trawl resume {crawl}" in trawl("status").out
    assert trawl("resume", "-q").code == 0
    assert rows(filled, waiting) == [(0,)]


def test_trouble_that_may_pass_is_not_forgotten_by_a_run_that_needs_nothing(
    trawl: Trawl, filled: Path
) -> None:
    failed_all(filled)
    write_once(
        filled / "catalog.db",
        lambda db: db.execute("UPDATE works SET reason = 'timeout' WHERE state = 'failed'"),
    )
    (crawl,) = rows(filled, "SELECT id FROM crawls")[0]
    assert trawl("resume", crawl, "-q").code == 0
    assert rows(filled, "SELECT 1 FROM works WHERE state = 'pending'") == []


def test_a_finished_crawl_that_owes_files_is_resumed_without_its_id(
    trawl: Trawl, filled: Path
) -> None:
    assert trawl("resume").code == 2
    last = works(filled, "pending", held=False)[-1]
    (crawl,) = rows(filled, "SELECT id FROM crawls")[0]
    assert trawl("accept", last).code == 0
    told = trawl("status").out
    assert "1 work waits for the next run" in told
    assert f"go on with: trawl resume {crawl}" in told
    assert trawl("resume", "-q").code == 0
    assert state(filled, last) == ("accepted", "by_person")
    assert trawl("resume", "--all").code == 2
    assert "go on with" not in trawl("status").out


def test_undoing_a_judge_speaks_of_files_only_where_they_are_needed(
    trawl: Trawl, filled: Path
) -> None:
    (crawl,) = rows(filled, "SELECT id FROM crawls")[0]
    strict = ("judge", "--min-side", 20_000, "--apply")
    for wanted, told in ((WANT, ""), (WANT + 90, f"wait for their files: trawl resume {crawl}")):
        change = f"UPDATE crawls SET want = {wanted}"
        write_once(filled / "catalog.db", lambda db, change=change: db.execute(change))
        assert trawl(*strict).code == 0
        undone = trawl("undo").out
        assert "changed their state" in undone
        assert told in undone
        assert ("for their files" in undone) is bool(told)


def test_a_page_and_a_bare_id_name_a_work(trawl: Trawl, filled: Path) -> None:
    first, second, *_ = works(filled, "accepted")
    page = json.loads(trawl("show", first, "--json").out)["page_url"]
    assert trawl("reject", f"{page}/?q=hakurei_reimu").code == 0
    assert trawl("reject", second.partition(":")[2]).code == 0
    assert {state(filled, one) for one in (first, second)} == {("rejected", "by_person")}
    assert json.loads(trawl("show", page, "--json").out)["site_id"] == first.partition(":")[2]


@pytest.mark.parametrize("form", ["ndjson", "json", "table", "csv"])
def test_another_format_of_query_is_told_apart_from_refs(
    trawl: Trawl, filled: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(trawl("query", "--format", form).out))
    told = trawl("reject", "-")
    assert (told.code, "--format refs" in told.err, told.out) == (2, True, "")
    assert len(told.err) < 300
    assert len(works(filled, "accepted")) == WANT


def test_what_is_no_ref_is_told_shortly(
    trawl: Trawl, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = works(filled, "accepted")[:3]
    nonsense = [f"{'x' * 500} {number}" for number in range(13)]
    lines = ["# those I do not like", *nonsense, " ".join(good[:2]), good[2]]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    told = trawl("reject", "-")
    assert told.code == 2
    assert told.out.splitlines()[-1] == "3 rejected, 13 not"
    assert told.err.count("not rejected: xxx") == 10
    assert "and 3 more" in told.err
    assert max(map(len, told.err.splitlines())) < 200
    assert len(works(filled, "accepted")) == WANT - 3


def test_a_duplicate_that_is_accepted_is_in_the_set_as_another(trawl: Trawl, filled: Path) -> None:
    found = rows(
        filled,
        "SELECT c.site || ':' || c.site_id, d.site || ':' || d.site_id FROM works w JOIN"
        " candidates c ON c.id = w.candidate_id JOIN candidates d ON d.id = w.duplicate_of",
    )
    if not found:
        first, second, *_ = works(filled, "accepted")
        same = (
            "UPDATE candidates SET image = (SELECT image FROM candidates WHERE site || ':' ||"
            f" site_id = '{first}') WHERE site || ':' || site_id = '{second}'"
        )
        write_once(filled / "catalog.db", lambda db: db.execute(same))
        found = [(second, first)]
    work, by = found[0]
    told = trawl("accept", work)
    assert told.code == 0
    assert f"{work} is in the set already as {by}" in told.out
    assert told.out.splitlines()[-1] == "1 accepted, 0 not"


def test_thousands_of_refs_are_refused_before_a_run_waits_too_long(
    trawl: Trawl, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = "\n".join(f"danbooru:{number}" for number in range(LARGEST + 1))
    monkeypatch.setattr("sys.stdin", io.StringIO(named))
    told = trawl("reject", "-")
    assert (told.code, f"{LARGEST} works at a time" in told.err) == (2, True)


def test_what_a_person_accepts_beyond_the_target_is_laid_out_with_it(
    trawl: Trawl, filled: Path, tmp_path: Path
) -> None:
    last = works(filled, "pending", held=False)[-1]
    assert trawl("accept", last).code == 0
    (crawl,) = rows(filled, "SELECT id FROM crawls")[0]
    resumed = trawl("resume", crawl)
    assert state(filled, last) == ("accepted", "by_person")
    assert f"the first {WANT}" in resumed.out
    assert "by hand" in resumed.out
    out = tmp_path / "out"
    assert trawl("export", out, "--layout", "kohya", "--crawl", crawl).code == 0
    named = [path.stem for path in out.rglob("*.txt")]
    assert len(named) == WANT + 1
    assert any(last.partition(":")[2] in name for name in named)
