"""``trawl stream`` and ``trawl consumers``: events as lines, answers, and who is how far."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crawler.cli.main import main
from storage import stream
from storage.consumers import MAX_ATTEMPTS
from tests.crawler.cli.conftest import Spawn, Trawl
from tests.storage.catalog import Catalog, candidate

COUNT = 4
CATEGORIES = {"general": ("1girl", "smile"), "artist": ("someone",)}


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """A set of four pictures, which commands find by themselves."""
    made = Catalog(tmp_path / "filled")
    monkeypatch.setenv("TRAWL_WORKSPACE", str(made.workspace))
    crawl = made.crawl()
    for n in range(1, COUNT + 1):
        work = candidate(str(n), tags=CATEGORIES, rating="g", caption="a sentence")
        made.page(crawl, work)
        made.fetched(crawl, str(n), f"picture {n}")
    return made


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def seqs(text: str) -> list[int]:
    return [line["seq"] for line in lines(text)]


class Talk:
    """A program that reads lines and writes answers."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line: dict[str, Any] = json.loads(self.process.stdout.readline())
        return line

    def say(self, answer: object) -> None:
        assert self.process.stdin is not None
        print(answer, file=self.process.stdin, flush=True)

    def end(self) -> tuple[str, str]:
        return self.process.communicate(timeout=20)


@pytest.fixture
def talk(spawn: Spawn) -> Iterator[Any]:
    talks: list[Talk] = []

    def talk(*arguments: object) -> Talk:
        words = ("stream", "--consumer", "crop", "--ack-stdin", *arguments)
        talks.append(Talk(spawn(*words, stdin=subprocess.PIPE)))
        return talks[-1]

    yield talk
    for one in talks:  # one that a test gave up, too
        one.process.kill()
        with one.process:
            pass


def acked(trawl: Trawl, name: str = "crop") -> tuple[int, int, int]:
    found = {c["name"]: c for c in json.loads(trawl("consumers", "--json").out)}
    return found[name]["acked_seq"], found[name]["lag"], found[name]["dead"]


# -- lines ------------------------------------------------------------------------------------


def test_a_line_tells_all_a_program_needs(trawl: Trawl, catalog: Catalog) -> None:
    got = lines(trawl("stream").out)
    assert [line["seq"] for line in got] == [1, 2, 3, 4]
    first = got[0]
    assert Path(first["path"]).is_file()
    assert {name: first[name] for name in ("type", "site", "site_id", "width", "height")} == {
        "type": "accepted",
        "site": "site",
        "site_id": "1",
        "width": 800,
        "height": 900,
    }
    assert first["page_url"] == "https://site.test/1"
    assert first["tags"] == {name: list(tags) for name, tags in CATEGORIES.items()}
    assert (first["rating"], first["caption"], first["attempt"]) == ("g", "a sentence", 1)


def test_a_consumer_goes_on_after_what_it_has_had(trawl: Trawl, catalog: Catalog) -> None:
    assert seqs(trawl("stream", "--after", 3).out) == [4]
    assert seqs(trawl("stream", "--consumer", "crop").out) == [1, 2, 3, 4]
    assert trawl("stream", "--consumer", "crop").out == ""
    assert seqs(trawl("stream", "--consumer", "other", "--after", 2).out) == [3, 4]
    assert seqs(trawl("stream", "--consumer", "other", "--after", 1).out) == []


def test_kinds_and_crawls_can_be_chosen(trawl: Trawl, catalog: Catalog) -> None:
    catalog.write(lambda db: stream.append(db, "crawl_finished", crawl_id="gone"))
    assert seqs(trawl("stream", "--kind", "crawl_finished,retracted").out) == [5]
    assert trawl("stream", "--kind", "acepted").code == 2
    assert trawl("stream", "--crawl", "nobody").code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["--ack-stdin"],
        ["--max-inflight", "3"],
        ["--folder", "out"],
        ["--consumer", "a", "--folder", "out", "--kind", "accepted"],
        ["--consumer", "a", "--folder", "out", "--after", "0"],
        ["--consumer", "a", "--folder", "out", "--ack-stdin"],
        ["--consumer", "a", "--option", "trigger=x"],
    ],
    ids=" ".join,
)
def test_what_cannot_go_together_is_refused(
    trawl: Trawl, catalog: Catalog, arguments: list[str]
) -> None:
    refused = trawl("stream", *arguments)
    assert refused.code == 2
    assert "[E_USAGE]" in refused.err
    assert not Path("out").exists()


# -- answers ----------------------------------------------------------------------------------


def test_answers_are_taken_in_any_order_also_while_nothing_happens(
    trawl: Trawl, catalog: Catalog, talk: Any
) -> None:
    reader = talk("--follow")
    assert [reader.hear()["seq"] for _ in range(COUNT)] == [1, 2, 3, 4]
    reader.say(3)
    reader.say(1)
    deadline = time.monotonic() + 10
    while acked(trawl) != (1, 2, 0) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert acked(trawl) == (1, 2, 0)
    reader.say(2)
    reader.say(4)
    reader.end()  # whoever answers has gone: that is the end
    assert reader.process.returncode == 0
    assert acked(trawl) == (4, 0, 0)


def test_what_failed_comes_again(trawl: Trawl, catalog: Catalog, talk: Any) -> None:
    reader = talk("--follow", "--max-inflight", 1)
    assert (reader.hear()["seq"], reader.say("nack 1 0.2")) == (1, None)
    assert (reader.hear()["seq"], reader.say("2")) == (2, None)
    time.sleep(0.3)
    told = []
    while len(told) < 3:
        line = reader.hear()
        told.append((line["seq"], line["attempt"]))
        reader.say(line["seq"])
    assert sorted(told) == [(1, 2), (3, 1), (4, 1)]
    reader.end()
    assert acked(trawl) == (4, 0, 0)


def test_what_fails_too_often_is_put_aside_told_and_given_again(
    trawl: Trawl, catalog: Catalog, talk: Any
) -> None:
    reader = talk("--follow")
    failed = 0
    while failed < MAX_ATTEMPTS:
        line = reader.hear()
        failed += line["seq"] == 2
        reader.say("nack 2 0" if line["seq"] == 2 else line["seq"])
    _, err = reader.end()
    assert "consumer crop gives up event 2" in err
    assert acked(trawl) == (4, 0, 1)
    (letter,) = json.loads(trawl("consumers", "dead", "crop", "--json").out)
    assert (letter["seq"], letter["attempts"], letter["site_id"]) == (2, MAX_ATTEMPTS, "2")
    assert "site:2" in trawl("consumers", "dead", "crop").out
    assert "1 events" in trawl("consumers", "dead", "crop", "--retry").out
    assert seqs(trawl("stream", "--consumer", "crop").out) == [2]
    assert acked(trawl) == (4, 0, 0)


def test_no_more_lines_than_may_wait_for_an_answer(catalog: Catalog, talk: Any) -> None:
    reader = talk("--follow", "--max-inflight", 2)
    assert [reader.hear()["seq"], reader.hear()["seq"]] == [1, 2]
    reader.process.stdin.close()
    reader.process.stdin = None
    out, _ = reader.end()
    assert (out, reader.process.returncode) == ("", 0)


@pytest.mark.parametrize(
    "answer",
    ["1000", "done", "nack", "nack 1 soon", "nack 1 -1", "1 2", "²", "9" * 5_000],
)
def test_what_is_no_answer_is_told_and_changes_nothing(
    trawl: Trawl, catalog: Catalog, talk: Any, answer: str
) -> None:
    reader = talk()
    assert reader.hear()["seq"] == 1
    reader.say(answer)
    reader.say("")
    _, err = reader.end()
    assert "no answer to an open event" in err
    assert reader.process.returncode == 0
    assert acked(trawl) == (0, 4, 0)


MANY = 2_000
"""Events whose lines no pipe can hold."""


@pytest.fixture
def much(catalog: Catalog) -> None:
    rows = [(f'"{"x" * 99}"',)] * MANY
    catalog.db.executemany(
        "INSERT INTO events(kind, payload, at) VALUES ('retagged', ?, '2020')", rows
    )


def soon(trawl: Trawl, wanted: tuple[int, int, int]) -> tuple[int, int, int]:
    """How far the consumer is, once it is there or a second has passed."""
    deadline = time.monotonic() + 1
    while (found := acked(trawl)) != wanted and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


@pytest.mark.usefixtures("much")
@pytest.mark.parametrize("arguments", [[], ["--follow"], ["--follow", "--max-inflight", 20]])
def test_an_answer_outlives_a_kill_at_once_while_nobody_reads_the_other_lines(
    trawl: Trawl, talk: Any, arguments: list[object]
) -> None:
    reader = talk(*arguments)
    for n in range(1, 21):
        assert reader.hear()["seq"] == n
        reader.say(n)
    wanted = (20, MANY + COUNT - 20, 0)
    assert soon(trawl, wanted) == wanted
    reader.process.kill()
    reader.end()
    assert acked(trawl) == wanted


@pytest.mark.usefixtures("much")
def test_answers_one_by_one_are_stored_one_by_one(trawl: Trawl, talk: Any) -> None:
    reader = talk("--follow")
    for n in range(1, 6):
        assert reader.hear()["seq"] == n
        reader.say(n)
        assert soon(trawl, (n, MANY + COUNT - n, 0))[0] == n
    reader.process.kill()
    reader.end()


@pytest.mark.usefixtures("much")
def test_a_slow_reader_gets_every_line_once_and_in_order(trawl: Trawl, talk: Any) -> None:
    reader = talk()
    heard = []
    while len(heard) < MANY + COUNT:
        heard.append(reader.hear()["seq"])
        reader.say(heard[-1])
    assert (reader.end()[0], reader.process.returncode) == ("", 0)
    assert heard == list(range(1, MANY + COUNT + 1))
    assert acked(trawl) == (MANY + COUNT, 0, 0)


def test_what_failed_at_the_end_of_the_log_comes_again_in_the_same_run(
    trawl: Trawl, catalog: Catalog, talk: Any
) -> None:
    reader = talk()
    told = [(line["seq"], line["attempt"]) for line in (reader.hear() for _ in range(COUNT))]
    for n in range(1, COUNT):
        reader.say(n)
    reader.say(f"nack {COUNT} 0")
    again = reader.hear()
    reader.say(again["seq"])
    assert (again["seq"], again["attempt"]) == (COUNT, 2)
    assert reader.process.wait(timeout=20) == 0  # also though more answers could come
    assert reader.end()[0] == ""
    assert told == [(n, 1) for n in range(1, COUNT + 1)]
    assert acked(trawl) == (COUNT, 0, 0)


def test_what_is_due_while_other_answers_are_awaited_comes_in_the_same_run(
    catalog: Catalog, talk: Any
) -> None:
    reader = talk()
    for _ in range(COUNT):
        reader.hear()
    reader.say("nack 2 0.3")
    line = reader.hear()
    assert (line["seq"], line["attempt"]) == (2, 2)
    reader.end()


def test_what_waits_to_come_again_is_told(trawl: Trawl, catalog: Catalog, talk: Any) -> None:
    reader = talk()
    for n in range(1, COUNT + 1):
        assert reader.hear()["seq"] == n
        reader.say("nack 2 100" if n == 2 else n)
    assert "consumer crop: 1 event that failed waits until 20" in reader.end()[1]
    again = trawl("stream", "--consumer", "crop")
    assert (again.code, again.out) == (0, "")
    assert "consumer crop: 1 event that failed waits until 20" in again.err
    trawl("consumers", "rewind", "crop", "--to-start")
    reader = talk()
    for n in range(1, COUNT + 1):
        reader.hear()
        reader.say(f"nack {n} {100 * n}")
    assert "crop: 4 events that failed wait, the first until 20" in (told := reader.end()[1])
    assert ", the last until 20" in told
    trawl("consumers", "rewind", "crop", "--to-start")
    assert "failed" not in trawl("stream", "--consumer", "crop").err


# -- the ends of a follower -------------------------------------------------------------------


def test_following_prints_what_comes_later_until_it_is_told_to_end(
    spawn: Spawn, catalog: Catalog
) -> None:
    process = spawn("stream", "--after", COUNT, "--follow")
    time.sleep(0.3)
    catalog.write(lambda db: stream.append(db, "crawl_finished"))
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["seq"] == COUNT + 1
    process.terminate()
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (143, "")
    assert "Traceback" not in err
    assert "[E_INTERRUPTED]" in err


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_one_whose_reader_hangs_can_still_be_ended(spawn: Spawn, catalog: Catalog) -> None:
    for _ in range(2000):
        catalog.db.execute(
            "INSERT INTO events(kind, payload, at) VALUES ('retagged', ?, '2020')",
            (f'"{"x" * 99}"',),
        )
    process = spawn("stream", "--follow")
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.5)  # it is full by now
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 130
    process.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="pipes of Linux tell when nobody reads")
def test_one_that_nobody_reads_ends_by_itself(spawn: Spawn, catalog: Catalog) -> None:
    process = spawn("stream", "--consumer", "crop", "--follow", stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    for _ in range(COUNT):
        process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=10) == 0  # nothing happened that it could have written


def test_a_second_reader_of_a_consumer_is_refused(
    trawl: Trawl, catalog: Catalog, talk: Any
) -> None:
    reader = talk("--follow")
    reader.hear()
    refused = trawl("stream", "--consumer", "crop")
    assert refused.code == 11
    assert "[E_CONSUMER_BUSY]" in refused.err
    assert f"by process {reader.process.pid}" in refused.err
    assert trawl("consumers", "rewind", "crop", "--to-start").code == 11
    reader.end()
    assert seqs(trawl("stream", "--consumer", "crop").out) == [1, 2, 3, 4]


# -- a folder ---------------------------------------------------------------------------------


def test_a_folder_follows_the_set(trawl: Trawl, catalog: Catalog) -> None:
    from tests.crawler.test_following import add

    add(catalog, catalog.crawl("other"), "17")
    done = trawl("stream", "--consumer", "tool", "--folder", "out", "--option", "trigger=reimu")
    assert (done.code, done.out) == (0, "")
    assert "out: 1 written, 0 removed, 4 left out" in done.err  # those four are no pictures
    assert (Path("out") / "site-17.txt").read_text() == "reimu, tag 17"
    assert trawl("stream", "--consumer", "tool", "--folder", "out").code == 0
    assert main(["stream", "--consumer", "tool", "--folder", "out", "--option", "nope=1"]) == 2


# -- consumers --------------------------------------------------------------------------------


def test_consumers_are_listed_rewound_and_forgotten(trawl: Trawl, catalog: Catalog) -> None:
    assert "nobody reads" in trawl("consumers").out
    trawl("stream", "--consumer", "crop")
    assert trawl("consumers").out.splitlines()[1].split()[:4] == ["crop", "4", "0", "0"]
    assert "goes on after event 2" in trawl("consumers", "rewind", "crop", "--to", 2).out
    assert acked(trawl) == (2, 2, 0)
    trawl("consumers", "rewind", "crop", "--to-time", "2020-01-01")
    assert acked(trawl) == (0, 4, 0)
    trawl("consumers", "rewind", "crop", "--to-time", "2999-01-01T10:00")
    assert acked(trawl) == (4, 0, 0)
    trawl("consumers", "rewind", "crop", "--to-start")
    assert seqs(trawl("stream", "--consumer", "crop").out) == [1, 2, 3, 4]
    for words in ([], ["--to", 1, "--to-start"]):
        assert trawl("consumers", "rewind", "crop", *words).code == 2
    assert trawl("consumers", "rewind", "crop", "--to", 99).code == 2
    assert trawl("consumers", "forget", "crop").code == 0
    assert json.loads(trawl("consumers", "--json").out) == []
    for command in (["forget"], ["dead"], ["rewind", "--to-start"]):
        refused = trawl("consumers", *command, "crop")
        assert (refused.code, "[E_NOT_FOUND]" in refused.err) == (2, True)
