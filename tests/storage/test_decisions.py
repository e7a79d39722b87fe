"""People's words: they outrank rules, whatever comes later, and each can be taken back."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import actions, decisions, naming, works
from storage.decisions import Decided
from storage.records import Candidate, Ruling
from storage.states import settle
from storage.words import awaited
from tests.storage.catalog import (
    ACCEPTED,
    BLOCKED,
    PENDING,
    Catalog,
    candidate,
    picture,
    rejected,
    sha256_of,
)


def rule(claims: Candidate, measures: Mapping[str, Any] | None, *, strict: bool = True) -> Ruling:
    """Blocked and hidden works are so; a strict policy leaves out what is called bad."""
    if "loli" in claims.tags.get("general", ()):
        return BLOCKED
    if claims.unavailable:
        return Ruling("unavailable", claims.unavailable)
    if strict and "bad" in claims.tags.get("general", ()):
        return rejected("comic")
    return PENDING if measures is None else ACCEPTED


def say(catalog: Catalog, word: Any, *refs: str, **how: Any) -> Decided:
    names = [naming.read_name(ref) for ref in refs]
    return catalog.write(lambda db: decisions.decide(db, word, names, lambda _: rule, **how))


def undo(catalog: Catalog) -> Decided:
    action = actions.last(catalog.db)
    assert action is not None
    return catalog.write(lambda db: decisions.undo(db, action, lambda _: rule))


def bad(site_id: str, **claims: Any) -> Candidate:
    return candidate(site_id, tags={"general": ("bad",)}, **claims)


@pytest.fixture
def crawl(catalog: Catalog) -> str:
    """One accepted picture that two works are, one rejected, and one whose bytes never came."""
    made = catalog.crawl()
    catalog.page(made, candidate("1"), candidate("2"), bad("3"), (bad("4"), rejected()))
    catalog.fetched(made, "1", "one")
    catalog.fetched(made, "2", "one")
    catalog.fetched(made, "3", "three", rejected("comic"))
    return made


def test_a_rejected_picture_goes_with_all_works_that_are_it(catalog: Catalog, crawl: str) -> None:
    done = say(catalog, "reject", "site:2", note="a sketch")
    assert catalog.states(crawl) == {
        "1": "rejected:by_person",
        "2": "rejected:by_person",
        "3": "rejected:comic",
        "4": "rejected:too_small",
    }
    last = catalog.events()[-1]
    assert (last.kind, last.payload) == ("retracted", {"reason": "by_person", "live": False})
    assert {move.site_id for move in done.moves} == {"1", "2"}
    assert done.action is not None
    assert done.action.about == {"works": 1, "examples": ["site:2"], "note": "a sketch"}


def test_a_rejected_copy_leaves_its_picture_to_another_work(catalog: Catalog, crawl: str) -> None:
    say(catalog, "reject", "site:1", copy=True)
    assert catalog.states(crawl)["1"] == "rejected:by_person"
    assert catalog.states(crawl)["2"] == "accepted"
    assert [event.kind for event in catalog.events()] == ["accepted"]


def test_a_picture_rejected_before_is_not_taken_when_it_comes_again(
    catalog: Catalog, crawl: str
) -> None:
    say(catalog, "reject", sha256_of("one")[:12])
    other = catalog.crawl("other")
    catalog.page(other, candidate("1"), candidate("5"))
    assert catalog.states(other) == {"1": "rejected:by_person", "5": "pending"}
    catalog.fetched(other, "5", "one")
    assert catalog.states(other)["5"] == "rejected:by_person"


def test_an_accepted_picture_is_in_every_crawl_that_met_it_at_once(
    catalog: Catalog, crawl: str
) -> None:
    other = catalog.crawl("other")
    catalog.page(other, candidate("3"))
    catalog.known(other, "3", "three", rejected("comic"))
    say(catalog, "accept", "site:3")
    for one in (crawl, other):
        assert catalog.states(one)["3"] == "accepted:by_person"
    assert [(e.kind, e.crawl_id, e.payload) for e in catalog.events()[1:]] == [
        ("accepted", one, {"reason": "by_person", "live": True}) for one in (crawl, other)
    ]


def test_an_accepted_work_without_bytes_waits_for_them(catalog: Catalog, crawl: str) -> None:
    done = say(catalog, "accept", "site:4")
    assert catalog.states(crawl)["4"] == "pending"
    assert done.waiting == {crawl: 1}
    assert awaited(catalog.db, crawl) == [catalog.id("4")]
    catalog.fetched(crawl, "4", "four", rejected("too_small"))
    assert catalog.states(crawl)["4"] == "accepted:by_person"
    assert awaited(catalog.db, crawl) == []


def test_the_works_that_people_wait_for_are_found_among_many(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, *(candidate(str(number)) for number in range(1_000)))
    say(catalog, "accept", "site:500", "site:700")
    steps = []
    catalog.db.set_progress_handler(lambda: steps.append(1), 10)  # of SQLite's machine
    assert awaited(catalog.db, crawl) == [catalog.id("500"), catalog.id("700")]
    catalog.db.set_progress_handler(None, 0)
    assert len(steps) < 100


def test_bytes_that_were_dropped_are_waited_for_whatever_they_turn_out_to_be(
    catalog: Catalog, crawl: str
) -> None:
    catalog.write(lambda db: db.execute("UPDATE images SET stored = 0"))
    say(catalog, "accept", sha256_of("three"))
    assert catalog.states(crawl)["3"] == "pending"
    catalog.fetched(crawl, "3", "three, made anew by its site", rejected())
    assert catalog.states(crawl)["3"] == "accepted:by_person"


@pytest.mark.parametrize("ruling", [PENDING, rejected("comic"), ACCEPTED])
def test_a_word_stands_when_the_work_is_listed_or_judged_again(
    catalog: Catalog, crawl: str, ruling: Ruling
) -> None:
    say(catalog, "accept", "site:3")
    say(catalog, "reject", "site:1")
    before, told = catalog.states(crawl), len(catalog.events())
    listed = (candidate("1"), bad("3"))
    again = [(one, ruling) for one in listed if ruling is not ACCEPTED]
    assert catalog.page(crawl, *again) == []
    for site_id in "13":
        catalog.write(lambda db, n=site_id: settle(db, crawl, catalog.id(n), ruling))
    assert catalog.states(crawl) == before
    assert len(catalog.events()) == told


def test_what_is_rejected_unseen_is_not_pending_when_it_is_listed_again(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, candidate("1"))
    say(catalog, "reject", "site:1")
    assert catalog.page(crawl, candidate("1")) == []
    assert catalog.states(crawl) == {"1": "rejected:by_person"}


def test_a_work_that_is_hidden_meanwhile_stays_hidden(catalog: Catalog, crawl: str) -> None:
    say(catalog, "accept", "site:3")
    hidden = candidate("3", unavailable="hidden")
    catalog.page(crawl, (hidden, Ruling("unavailable", "hidden")))
    assert catalog.states(crawl)["3"] == "unavailable:hidden"
    assert catalog.events()[-1].payload == {"reason": "hidden", "live": False}


def test_a_picture_is_accepted_without_the_works_of_it_that_are_hidden(catalog: Catalog) -> None:
    one, other = catalog.crawl("one"), catalog.crawl("other")
    catalog.page(one, candidate("1"), candidate("2"))
    catalog.fetched(one, "1", "one")
    catalog.fetched(one, "2", "one")
    catalog.page(other, candidate("2"))
    hidden = candidate("2", unavailable="hidden")
    catalog.page(one, (hidden, Ruling("unavailable", "hidden")))
    say(catalog, "accept", "site:1")
    assert catalog.states(one) == {"1": "accepted:by_person", "2": "unavailable:hidden"}
    assert catalog.states(other) == {"2": "pending"}  # its turn finds it hidden


def test_blocked_hidden_and_failed_works_are_never_accepted(catalog: Catalog) -> None:
    crawl = catalog.crawl()
    hidden = (candidate("2", unavailable="hidden"), Ruling("unavailable", "hidden"))
    catalog.page(crawl, (candidate("1"), BLOCKED), hidden, candidate("3"))
    failed = Ruling("failed", "http_404")
    catalog.write(
        lambda db: works.settle_failed(db, crawl, catalog.id("3"), failed, [(0, "http_404")])
    )
    before = catalog.states(crawl)
    done = say(catalog, "accept", "site:1", "site:2", "site:3", "site:9", "abcd", "nonsense")
    assert (done.action, done.moves) == (None, [])
    assert [work for work, _ in done.refused] == ["site:1", "site:2", "site:3"]
    assert "retry" in done.refused[2][1]
    assert [ref for ref, _ in done.unknown] == ["site:9", "abcd", "nonsense"]
    assert catalog.states(crawl) == before
    assert actions.recent(catalog.db, 9) == []


def test_what_turns_out_to_be_blocked_when_it_is_accepted_is_purged(
    catalog: Catalog, crawl: str
) -> None:
    listed = candidate("5", tags={"general": ("loli",)})  # before its words were known to be so
    catalog.page(crawl, listed)
    catalog.fetched(crawl, "5", "five", rejected())
    done = say(catalog, "accept", "site:5")
    assert [work for work, _ in done.refused] == ["site:5"]
    assert catalog.states(crawl)["5"] == "rejected:blocked_content"
    assert sha256_of("five") not in catalog.files()


def test_nothing_of_what_people_said_of_blocked_content_is_left(
    catalog: Catalog, crawl: str
) -> None:
    say(catalog, "reject", sha256_of("one"), note="secret")
    say(catalog, "accept", "site:4", note="secret")
    catalog.page(crawl, (candidate("1"), BLOCKED), (candidate("4"), BLOCKED))
    assert catalog.rows("SELECT 1 FROM decisions UNION ALL SELECT 1 FROM decided") == []
    assert catalog.holding("secret") == []
    kept = [(t, v) for t, v in catalog.holding(sha256_of("one")) if t != "events"]
    assert kept == []
    blocked = {"1": "rejected:blocked_content", "4": "rejected:blocked_content"}
    for _ in range(2):
        assert undo(catalog).moves == []
        assert catalog.states(crawl).items() >= blocked.items()
    assert actions.last(catalog.db) is None


def test_undoing_goes_back_step_by_step(catalog: Catalog, crawl: str) -> None:
    seen = [catalog.states(crawl)]
    for word, ref in (("reject", "site:1"), ("accept", "site:1"), ("reject", "site:3")):
        say(catalog, word, ref)
        seen.append(catalog.states(crawl))
    for before in (seen[2], seen[1]):
        undo(catalog)
        assert catalog.states(crawl) == before
    undo(catalog)
    assert catalog.states(crawl)["1"] == "accepted"
    assert catalog.rows("SELECT 1 FROM decisions") == []
    assert [action.undone_at is None for action in actions.recent(catalog.db, 9)] == [False] * 3


def test_undone_where_the_bytes_are_gone_the_work_is_pending(catalog: Catalog, crawl: str) -> None:
    say(catalog, "reject", "site:1")
    catalog.write(lambda db: db.execute("UPDATE images SET stored = 0 WHERE wanted = 0"))
    undo(catalog)
    assert catalog.states(crawl)["1"] == "pending"


def test_the_same_said_again_is_no_new_action(catalog: Catalog, crawl: str) -> None:
    say(catalog, "reject", "site:1")
    done = say(catalog, "reject", "site:2", "site:1")
    assert (done.action, done.already) == (None, 2)
    assert len(actions.recent(catalog.db, 9)) == 1


def test_a_file_names_its_picture(catalog: Catalog, crawl: str, tmp_path: Path) -> None:
    _, data = picture("three")
    copy = tmp_path / "a copy:1.png"
    copy.write_bytes(data)
    say(catalog, "accept", str(copy))
    assert catalog.states(crawl)["3"] == "accepted:by_person"
    image, _ = picture("three")
    stored = catalog.store.path(image.sha256, image.format)
    say(catalog, "reject", str(stored))
    assert catalog.states(crawl)["3"] == "rejected:by_person"


def test_an_exported_file_names_the_picture_it_was_made_from(
    catalog: Catalog, crawl: str, tmp_path: Path
) -> None:
    made = tmp_path / "1.webp"
    made.write_bytes(b"made anew")
    catalog.write(
        lambda db: db.execute("INSERT INTO exported VALUES (?,?)", (str(made), sha256_of("three")))
    )
    say(catalog, "accept", str(made))
    assert catalog.states(crawl)["3"] == "accepted:by_person"


# -- any order ----------------------------------------------------------------------------------

PICTURES = {"1": "a", "2": "a", "3": "b"}
"""Work -> the picture it is; work 4 never came."""
BAD = {"2", "4"}

steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["accept", "reject", "copy"]), st.sampled_from("1234")),
        st.tuples(st.just("undo"), st.just("")),
        st.tuples(st.sampled_from(["strict", "lax"]), st.integers(0, 1)),
    ),
    max_size=14,
)


@settings(max_examples=50, deadline=None)
@given(steps=steps)
def test_states_follow_from_the_words_that_stand_and_the_policy(steps: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(Path(folder))
        catalog.db.execute("PRAGMA synchronous=OFF")
        crawls = [catalog.crawl("one"), catalog.crawl("two")]
        strict = dict.fromkeys(crawls, True)

        def rule_of(crawl: str) -> Any:
            return lambda claims, measures: rule(claims, measures, strict=strict[crawl])

        def judge(crawl: str) -> None:
            for n in "1234":
                measures = {} if n in PICTURES else None
                made = bad(n) if n in BAD else candidate(n)
                ruling = rule_of(crawl)(made, measures)
                catalog.write(lambda db, n=n, r=ruling: settle(db, crawl, catalog.id(n), r))

        for crawl in crawls:
            catalog.page(crawl, *(bad(n) if n in BAD else candidate(n) for n in "1234"))
            for n, name in PICTURES.items():
                catalog.fetched(crawl, n, name)
            judge(crawl)
        stack: list[dict[str, str]] = []
        """Of every action that stands, the word it gave to each work."""
        for what, which in steps:
            if what in ("strict", "lax"):
                strict[crawls[which]] = what == "strict"
                judge(crawls[which])
            elif what == "undo":
                if (action := actions.last(catalog.db)) is not None:
                    catalog.write(lambda db, a=action: decisions.undo(db, a, rule_of))
                    stack.pop()
            else:
                word: Any = "reject" if what == "copy" else what
                named = naming.read_name(f"site:{which}")
                done = catalog.write(
                    lambda db, n=named, w=word, c=what == "copy": decisions.decide(
                        db, w, [n], rule_of, copy=c
                    )
                )
                if done.action is not None:
                    alike = [n for n in PICTURES if PICTURES[n] == PICTURES.get(which)]
                    about = alike if what != "copy" and alike else [which]
                    stack.append(dict.fromkeys(about, word))
            assert len(stack) == len(
                [a for a in actions.recent(catalog.db, 99) if a.undone_at is None]
            )
            for crawl in crawls:
                assert catalog.states(crawl) == _expected(stack, strict[crawl])
        _check_events(catalog)
        catalog.db.close()


def _expected(stack: list[dict[str, str]], strict: bool) -> dict[str, str]:
    expected: dict[str, str] = {}
    firsts: dict[str, str] = {}
    for n in "1234":
        word = next((said[n] for said in reversed(stack) if n in said), None)
        if word == "reject":
            expected[n] = "rejected:by_person"
        elif word is None and strict and n in BAD:
            expected[n] = "rejected:comic"
        elif n not in PICTURES:
            expected[n] = "pending"
        elif PICTURES[n] in firsts:
            expected[n] = "duplicate:same_file"
        else:
            firsts[PICTURES[n]] = n
            expected[n] = "accepted:by_person" if word == "accept" else "accepted"
    return expected


def _check_events(catalog: Catalog) -> None:
    """Whoever heeds the events holds what some crawl accepts, and each of them makes sense."""
    held: set[tuple[str | None, str | None]] = set()
    for event in catalog.events():
        pair = (event.crawl_id, event.sha256)
        assert (pair in held) == (event.kind == "retracted")
        held ^= {pair}
        assert event.payload["live"] == any(sha256 == event.sha256 for _, sha256 in held)
    assert held == {tuple(r) for r in catalog.rows("SELECT crawl_id, sha256 FROM accepted")}
