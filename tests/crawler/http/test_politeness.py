"""Manners: spacing that nobody undercuts, slots that are bounded, cool-downs all workers obey."""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from crawler.errors import RateLimited
from crawler.http.politeness import FORGET_EVERY, Cooldowns, Politeness
from crawler.http.retry import Trouble
from crawler.site import Net
from crawler.stats import Stats
from storage.hosts import HostCooldowns

HOST, SHOWN = "example.org:443", "example.org"
FAST = 1e6


def polite(
    stats: Stats | None = None,
    *,
    max_wait: float = 60.0,
    cooldowns: Cooldowns | None = None,
    notify: Callable[[dict[str, Any]], None] | None = None,
    **options: Any,
) -> Politeness:
    net = Net(max_wait=max_wait, **options)
    return Politeness(net, stats or Stats(), cooldowns, notify)


async def test_requests_of_many_workers_are_spaced_by_the_rate() -> None:
    politeness, times = polite(), list[float]()

    async def worker() -> None:
        for _ in range(3):
            async with politeness.slot(HOST, 50.0, 8):
                times.append(time.monotonic())

    await asyncio.gather(*(worker() for _ in range(5)))
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert len(times) == 15
    assert min(gaps) >= 1 / 50.0 - 0.002


async def test_slow_requests_do_not_save_up_a_burst() -> None:
    politeness, starts = polite(), list[float]()

    async def worker(seconds: float) -> None:
        async with politeness.slot(HOST, 20.0, 1):
            starts.append(time.monotonic())
            await asyncio.sleep(seconds)

    await asyncio.gather(worker(0.3), worker(0.0), worker(0.0), worker(0.0))
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert min(gaps) >= 0.048


async def test_no_more_connections_than_asked_for() -> None:
    politeness, now, most = polite(), 0, 0

    async def worker() -> None:
        nonlocal now, most
        async with politeness.slot(HOST, FAST, 3):
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.01)
            now -= 1

    await asyncio.gather(*(worker() for _ in range(12)))
    assert most == 3


async def test_a_slow_host_does_not_hold_up_another() -> None:
    politeness = polite()
    async with politeness.slot("slow:80", 0.1, 1):
        began = time.monotonic()
        async with politeness.slot("quick:80", 0.1, 1):
            assert time.monotonic() - began < 0.1


async def test_a_cool_down_holds_every_worker_of_the_host_and_is_reported() -> None:
    stats, heard = Stats(), list[dict[str, Any]]()
    politeness = polite(stats, notify=heard.append)
    async with politeness.slot(HOST, FAST, 8):
        asked = time.monotonic()
    told = time.monotonic()
    await politeness.refused(HOST, 0.3, "HTTP 429", asked_at=asked)
    assert stats.waiting[SHOWN][0] == "HTTP 429"
    assert stats.waiting[SHOWN][1] == pytest.approx(told + 0.3, abs=0.05)
    starts: list[float] = []

    async def worker() -> None:
        async with politeness.slot(HOST, FAST, 8):
            starts.append(time.monotonic())

    await asyncio.gather(*(worker() for _ in range(8)))
    assert min(starts) - told >= 0.3
    assert stats.waiting == {}
    assert heard == [{"type": "waiting", "host": SHOWN, "reason": "HTTP 429", "seconds": 0.3}]


async def test_refusals_without_a_time_double_once_per_round_and_start_anew_after_success() -> None:
    heard: list[float] = []
    politeness = polite(cooldown_first=0.05, notify=lambda event: heard.append(event["seconds"]))

    async def refused_together(times: int) -> None:
        async with politeness.slot(HOST, FAST, 8):
            asked = time.monotonic()
        for _ in range(times):
            await politeness.refused(HOST, None, "HTTP 429", asked_at=asked)

    await refused_together(5)
    await refused_together(1)
    await refused_together(3)
    assert heard == [0.05, 0.1, 0.2]
    politeness.served(HOST)
    await refused_together(1)
    assert heard[-1] == 0.05


async def test_longer_than_we_wait_is_an_error_that_names_host_and_time() -> None:
    politeness = polite(max_wait=5.0)
    async with politeness.slot(HOST, FAST, 1):
        asked = time.monotonic()
    await politeness.refused(HOST, 3e8, "HTTP 503", asked_at=asked)
    began = time.monotonic()
    with pytest.raises(RateLimited, match=rf"^{SHOWN} asks.*20\d\d-\d\d-\d\d \d\d:\d\d.*HTTP 503"):
        async with politeness.slot(HOST, FAST, 1):
            pass
    assert time.monotonic() - began < 1.0


async def test_the_next_run_obeys_what_this_one_was_told(tmp_path: Path) -> None:
    cooldowns = HostCooldowns(tmp_path / "hosts.db")
    first = polite(cooldowns=cooldowns)
    async with first.slot(HOST, FAST, 1):
        asked = time.monotonic()
    told = time.monotonic()
    await first.refused(HOST, 0.5, "HTTP 429", asked_at=asked)
    stats = Stats()
    async with polite(stats, cooldowns=HostCooldowns(cooldowns.path)).slot(HOST, FAST, 1):
        assert time.monotonic() - told >= 0.49


async def test_a_host_parked_for_long_stays_parked_in_the_next_run(tmp_path: Path) -> None:
    cooldowns = HostCooldowns(tmp_path / "hosts.db")
    cooldowns.put(HOST, 7200.0, "HTTP 429")
    with pytest.raises(RateLimited):
        async with polite(max_wait=3600.0, cooldowns=cooldowns).slot(HOST, FAST, 1):
            pass


async def test_waiting_can_be_cancelled_and_gives_its_place_back() -> None:
    politeness = polite()
    async with politeness.slot(HOST, FAST, 1):
        asked = time.monotonic()
    await politeness.refused(HOST, 0.3, "HTTP 429", asked_at=asked)

    async def worker() -> None:
        async with politeness.slot(HOST, FAST, 1):
            pass

    waiting = [asyncio.create_task(worker()) for _ in range(3)]
    await asyncio.sleep(0.05)
    waiting[0].cancel()
    waiting[1].cancel()
    began = time.monotonic()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results[:2]] == [asyncio.CancelledError] * 2
    assert results[2] is None
    assert time.monotonic() - began < 1.0


async def test_who_leaves_while_looking_for_a_cool_down_has_not_looked_for_the_others() -> None:
    looking, asked = asyncio.Event(), False

    class Slow:
        def get(self, host: str) -> tuple[float, str] | None:
            loop.call_soon_threadsafe(looking.set)
            time.sleep(0.05)
            left = began + 0.4 - time.monotonic()
            return (left, "HTTP 429") if left > 0 else None

        def put(self, host: str, seconds: float, reason: str) -> None: ...

    async def worker() -> None:
        nonlocal asked
        async with politeness.slot(HOST, FAST, 4):
            asked = True

    loop, politeness = asyncio.get_running_loop(), polite(cooldowns=Slow())
    began = time.monotonic()
    first, second = asyncio.create_task(worker()), asyncio.create_task(worker())
    await looking.wait()
    first.cancel()
    await second
    assert asked
    assert time.monotonic() - began >= 0.4


async def test_a_host_that_asks_for_no_time_at_all_is_left_alone_for_ours() -> None:
    told: list[float] = []
    politeness = polite(cooldown_first=0.05, notify=lambda event: told.append(event["seconds"]))
    for seconds in (0.0, None, 0.0, 0.3):
        async with politeness.slot(HOST, FAST, 1):
            await politeness.refused(HOST, seconds, "HTTP 429", asked_at=time.monotonic())
    assert told == [0.05, 0.1, 0.2, 0.3]


# Forgetting


async def asked_once(politeness: Politeness, first: int, last: int) -> None:
    for number in range(first, last):
        async with politeness.slot(f"h{number}.example:443", FAST, 4):
            pass


async def test_thousands_of_hosts_do_not_stay_in_memory() -> None:
    politeness = polite()
    await asked_once(politeness, 0, 100)
    gc.collect()
    tracemalloc.start()
    try:
        await asked_once(politeness, 100, 10_100)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()


async def test_hosts_of_whom_something_is_known_are_not_forgotten() -> None:
    politeness = polite(breaker_after=1, cooldown_first=30.0)
    async with politeness.slot("refusing:443", FAST, 4):
        await politeness.refused("refusing:443", 50.0, "HTTP 429", asked_at=time.monotonic())
    async with politeness.slot("struck:443", FAST, 4):
        await politeness.refused("struck:443", 0.0, "HTTP 429", asked_at=time.monotonic())
    for host, trouble in (
        ("down:443", Trouble("http_5xx", transient=True)),
        ("tried:443", Trouble("truncated", transient=True)),
    ):
        with pytest.raises(Trouble) as told:
            async with politeness.slot(host, FAST, 4):
                raise trouble
        await politeness.second_try(told.value)
    async with politeness.slot("paced:443", 0.01, 4):
        pass
    async with politeness.slot("held:443", FAST, 4):
        await asked_once(politeness, 0, 5 * FORGET_EVERY)
        kept = set(politeness._hosts)
        assert kept >= {
            "refusing:443",
            "struck:443",
            "down:443",
            "tried:443",
            "paced:443",
            "held:443",
        }
        assert len(kept) < 2 * FORGET_EVERY


async def test_a_host_that_was_forgotten_is_no_longer_said_to_be_waited_for() -> None:
    stats = Stats()
    politeness = polite(stats)
    async with politeness.slot(HOST, FAST, 4):
        await politeness.refused(HOST, 0.01, "HTTP 429", asked_at=time.monotonic())
        politeness.served(HOST)
    assert SHOWN in stats.waiting
    await asyncio.sleep(0.02)
    await asked_once(politeness, 0, 2 * FORGET_EVERY)
    assert stats.waiting == {}
