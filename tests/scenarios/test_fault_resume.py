"""A broken download goes on where it stopped only while it is certainly the same file."""

from __future__ import annotations

import pytest

from crawler.demo.faults import (
    FOR_EVER,
    Action,
    FalseRange,
    Fault,
    IgnoreRange,
    Stall,
    Status,
    Version,
)
from tests.scenarios.faulty import Crawled, crawl_with

OTHER = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 600
"""Another version of a file: longer than any of the world's."""

BROKEN = Fault(Stall(0.6, 0.2), nth=1)
"""What was sent has arrived when the connection ends."""
LIES: dict[str, Action] = {
    "the range is ignored": IgnoreRange(),
    "the range cannot be had": Status(416),
    "a part that begins later, and says so": FalseRange(shift=100, admits=True),
    "a part that begins later, and does not say so": FalseRange(shift=100),
    "a part of a longer file": FalseRange(shift=100, total=5),
    "a part of a shorter file": FalseRange(shift=100, total=-5),
    "a part of another version": FalseRange(shift=100, etag='"another"'),
    "a part of another version, called the same": Version(OTHER, same_etag=True),
}


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory) -> Crawled:
    faults: dict[str, list[Fault]] = {
        "nothing more": [BROKEN],
        "broken again": [BROKEN, Fault(Stall(0.5, 0.2), nth=2)],
        "another version meanwhile": [BROKEN, Fault(Version(OTHER), nth=2)],
    }
    for name, lie in LIES.items():
        faults[name] = [BROKEN, Fault(lie, ranged=True, nth=1, times=FOR_EVER)]
    return crawl_with(tmp_path_factory.mktemp("resumed"), faults, TRAWL_NET__RESUME_FROM="20000")


def test_what_has_arrived_is_not_sent_again(resumed: Crawled) -> None:
    first, second = resumed.requests("nothing more")
    size = resumed.posts["nothing more"].media.size
    assert second.range == f"bytes={first.sent}-"
    assert second.if_range == f'"{resumed.posts["nothing more"].media.md5}"'
    assert (second.status, second.sent) == (206, size - first.sent)


def test_a_part_that_breaks_off_is_gone_on_with(resumed: Crawled) -> None:
    first, second, third = resumed.requests("broken again")
    assert third.range == f"bytes={first.sent + second.sent}-"
    assert resumed.ending("broken again") == ("accepted", None)


def test_another_version_is_fetched_from_its_start_and_refused(resumed: Crawled) -> None:
    """Its validator differs, so the server sends it whole; and it is not what the site told of."""
    _, second, *others = resumed.requests("another version meanwhile")
    assert (second.status, second.fault) == (200, "Version")
    assert resumed.ending("another version meanwhile") == ("accepted", None)
    assert others


@pytest.mark.parametrize("name", LIES)
def test_no_lie_about_a_part_gets_into_a_file(resumed: Crawled, name: str) -> None:
    """That each file is the right one, byte for byte, was checked for all of them."""
    asked = resumed.requests(name)
    assert any(entry.range for entry in asked), "nothing was resumed: nothing is shown"
    assert resumed.ending(name) == ("accepted", None)
    assert asked[-1].status == 200
