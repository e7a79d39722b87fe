"""Getting the bytes of a work: down the ladder, one more look, local files copied whole."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from crawler.acquire import Acquired, Ladder, Spooled, Withdrawn, spool
from crawler.errors import FetchError, RateLimited
from storage.records import Candidate, Image, Ruling, Rung


def work(*locations: str) -> Candidate:
    return Candidate("site", "o", "1", tuple(Rung(location) for location in locations))


@dataclass
class Host:
    """Serves ``good`` locations; the others fail with the reason they begin with."""

    folder: Path
    again: Candidate | None = None
    asked: list[str] = field(default_factory=list)
    reread: int = 0
    undecodable: Sequence[str] = ()

    async def fetch(self, rung: Rung, into: Path) -> Spooled:
        self.asked.append(rung.location)
        into.write_bytes(b"x")
        if not rung.location.startswith("good"):
            raise FetchError(rung.location.partition(":")[0])
        return Spooled(into, 1, "s" * 64, "m" * 32)

    async def inspect(self, arrived: Spooled) -> Image:
        if self.asked[-1] in self.undecodable:
            raise FetchError("truncated")
        return Image(arrived.sha256, arrived.md5, "png", 1, 1, 1)

    async def refresh(self, candidate: Candidate) -> Candidate:
        self.reread += 1
        if self.again is None:
            return candidate
        return self.again

    def ladder(self) -> Ladder:
        names = iter(range(100))
        return Ladder(
            self.fetch, self.inspect, self.refresh, lambda: self.folder / f"t{next(names)}"
        )


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


async def acquire(host: Host, candidate: Candidate) -> tuple[Acquired, Ladder]:
    ladder = host.ladder()
    return await ladder.acquire(candidate), ladder


async def test_the_largest_rung_comes_first(host: Host) -> None:
    got, ladder = await acquire(host, work("good:large", "good:small"))
    assert (got.rung, host.asked, ladder.tried) == (0, ["good:large"], [])
    assert got.temp.exists()


async def test_the_next_rung_is_tried_when_one_fails(host: Host) -> None:
    got, ladder = await acquire(host, work("http_451:large", "good:small"))
    assert got.rung == 1
    assert ladder.tried == [(0, "http_451")]
    assert [p.name for p in host.folder.iterdir()] == [got.temp.name]  # nothing half is left


async def test_bytes_that_do_not_decode_are_a_failure_like_any_other(host: Host) -> None:
    host.undecodable = ("good:large",)
    got, ladder = await acquire(host, work("good:large", "good:small"))
    assert (got.rung, ladder.tried) == (1, [(0, "truncated")])


async def test_when_all_fail_the_largest_says_why(host: Host) -> None:
    ladder = host.ladder()
    with pytest.raises(FetchError) as told:
        await ladder.acquire(work("http_451:a", "http_404:b"))
    assert told.value.reason == "http_451"
    assert ladder.tried == [(0, "http_451"), (1, "http_404")]
    assert host.reread == 0
    assert list(host.folder.iterdir()) == []


async def test_a_work_without_rungs_has_no_file(host: Host) -> None:
    with pytest.raises(FetchError) as told:
        await host.ladder().acquire(work())
    assert told.value.reason == "no_file"


@pytest.mark.parametrize(
    "reason", ["http_404", "http_410", "http_403", "md5_mismatch", "size_mismatch"]
)
async def test_what_a_replaced_file_explains_is_looked_at_once_more(
    host: Host, reason: str
) -> None:
    host.again = work("good:new")
    got, ladder = await acquire(host, work(f"{reason}:old"))
    assert got.candidate == host.again
    assert host.asked == [f"{reason}:old", "good:new"]
    assert (host.reread, ladder.tried) == (1, [(0, reason)])


async def test_one_more_look_is_one(host: Host) -> None:
    host.again = work("http_404:new")
    ladder = host.ladder()
    with pytest.raises(FetchError):
        await ladder.acquire(work("http_404:old"))
    assert (host.reread, host.asked) == (1, ["http_404:old", "http_404:new"])


async def test_a_work_that_has_not_changed_is_not_fetched_again(host: Host) -> None:
    with pytest.raises(FetchError):
        await host.ladder().acquire(work("md5_mismatch:same"))
    assert (host.reread, host.asked) == (1, ["md5_mismatch:same"])


async def test_what_the_source_says_on_second_sight_decides(host: Host) -> None:
    async def withdrawn(candidate: Candidate) -> Candidate:
        raise Withdrawn(Ruling("unavailable", "hidden"))

    ladder = replace(host.ladder(), refresh=withdrawn)
    with pytest.raises(Withdrawn) as told:
        await ladder.acquire(work("http_404:old"))
    assert told.value.ruling == Ruling("unavailable", "hidden")


@pytest.mark.parametrize("sign", ["challenge", "noai", "noindex"])
async def test_a_stop_sign_holds_for_every_size(host: Host, sign: str) -> None:
    with pytest.raises(FetchError) as told:
        await host.ladder().acquire(work(f"{sign}:large", "good:small"))
    assert told.value.reason == sign
    assert host.asked == [f"{sign}:large"]


@pytest.mark.parametrize(
    "trouble", ["timeout", "host_down", "http_5xx", "out_of_memory", "proxy_failed"]
)
async def test_what_may_pass_is_waited_for_instead_of_a_smaller_copy(
    host: Host, trouble: str
) -> None:
    with pytest.raises(FetchError) as told:
        await host.ladder().acquire(work(f"{trouble}:large", "good:small"))
    assert told.value.reason == trouble
    assert host.asked == [f"{trouble}:large"]


async def test_what_ends_the_run_ends_the_ladder(host: Host) -> None:
    async def limited(rung: Rung, into: Path) -> Spooled:
        into.write_bytes(b"half")
        raise RateLimited("come back tomorrow")

    ladder = replace(host.ladder(), fetch=limited)
    with pytest.raises(RateLimited):
        await ladder.acquire(work("good:a", "good:b"))
    assert list(host.folder.iterdir()) == []


# -- local files ------------------------------------------------------------------------------


async def test_a_local_file_is_copied_and_hashed(tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    (tmp_path / "a.png").write_bytes(data)
    got = await spool(Rung(str(tmp_path / "a.png"), "file"), tmp_path / "t", max_bytes=10**7)
    assert got.path.read_bytes() == data
    assert (got.bytes, got.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert got.md5 == hashlib.md5(data).hexdigest()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "gone"),
        (lambda path: path.mkdir(), "unreadable"),
        (lambda path: path.write_bytes(b"x" * 101), "too_big"),
        (lambda path: path.write_bytes(b"other"), "md5_mismatch"),
    ],
)
async def test_a_local_file_that_is_not_as_claimed_is_told(
    tmp_path: Path, make, reason: str
) -> None:
    make(tmp_path / "a.png")
    rung = Rung(str(tmp_path / "a.png"), "file", md5=hashlib.md5(b"claimed").hexdigest())
    with pytest.raises(FetchError) as told:
        await spool(rung, tmp_path / "t", max_bytes=100)
    assert told.value.reason == reason


async def test_a_copy_never_writes_over_anything(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "t").write_bytes(b"mine")
    with pytest.raises(FileExistsError) as told:
        await spool(Rung(str(tmp_path / "a.png"), "file"), tmp_path / "t", max_bytes=100)
    assert told.value.errno == errno.EEXIST
    assert (tmp_path / "t").read_bytes() == b"mine"


@pytest.mark.parametrize("pauses", [0, 1, 2, 3, 5])
async def test_a_cancelled_copy_leaves_nothing_behind(tmp_path: Path, pauses: int) -> None:
    (tmp_path / "a.png").write_bytes(os.urandom(5_000_000))
    host = Host(tmp_path)

    async def copy(rung: Rung, into: Path) -> Spooled:
        return await spool(rung, into, max_bytes=10**9)

    ladder = replace(host.ladder(), fetch=copy)
    copying = asyncio.create_task(ladder.acquire(work(str(tmp_path / "a.png"))))
    for _ in range(pauses):
        await asyncio.sleep(0)
    copying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await copying
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
