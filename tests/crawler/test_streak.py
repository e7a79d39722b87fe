"""Equal troubles in a row stop a source; what says nothing of it does not count."""

from __future__ import annotations

import pytest

from crawler.errors import BadAnswer
from crawler.streak import SOURCE_TROUBLE, Streak, trouble_of
from storage.records import Candidate, Rung


def after(streak: Streak, *troubles: str | None) -> BadAnswer | None:
    told = [streak.after(trouble) for trouble in troubles]
    assert told[:-1] == [None] * (len(told) - 1)
    return told[-1]


def test_only_equal_troubles_in_a_row_stop_a_source() -> None:
    few = ["timeout"] * (SOURCE_TROUBLE - 1)
    assert after(Streak(), *few) is None
    assert after(Streak(), *few, "http_5xx", *few) is None
    assert after(Streak(), *few, None, *few) is None
    stop = after(Streak("pages"), *few, "timeout")
    assert stop is not None
    assert (str(stop), stop.exit_code) == ("20 pages in a row failed with timeout", 5)
    assert "the same command" in stop.hint


def test_the_last_host_is_named() -> None:
    streak = Streak()
    for _ in range(SOURCE_TROUBLE - 1):
        assert streak.after("host_down", 1, "a.example") is None
    stop = streak.after("host_down", 1, "b.example:81")
    assert str(stop) == "20 works in a row failed with host_down, the last at b.example:81"


@pytest.mark.parametrize(
    ("reason", "location", "kind", "trouble"),
    [
        ("timeout", "https://a.example/1.jpg", "url", "timeout"),
        ("out_of_memory", "/home/me/1.jpg", "file", "out_of_memory"),
        ("http_403", "https://me:pw@A.example/1.jpg?key=1", "url", "http_403 at a.example"),
        ("not_an_image", "https://a.example/1.jpg", "url", "not_an_image at a.example"),
        ("md5_mismatch", "/home/me/1.jpg", "file", None),
        ("http_404", "https://a.example/1.jpg", "url", None),
        ("noai", "https://a.example/1.jpg", "url", None),
        ("decode_error", "https://a.example/1.jpg", "url", None),
        (None, "https://a.example/1.jpg", "url", None),
    ],
)
def test_a_host_that_refuses_us_is_told_from_works_that_are_bad(
    reason: str | None, location: str, kind: str, trouble: str | None
) -> None:
    rung = Rung(location, kind)  # type: ignore[arg-type]
    assert trouble_of(reason, Candidate("s", "o", "1", ladder=(rung,))) == trouble
