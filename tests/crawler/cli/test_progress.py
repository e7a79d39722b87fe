"""The progress line says how far, how fast, how long, and why it waits."""

from __future__ import annotations

import asyncio
import re

import pytest

from crawler.cli.progress import Meter, duration, progress
from crawler.stats import Stats


def test_the_line_has_count_speed_and_time_left() -> None:
    stats = Stats(want=100, started=1000.0)
    meter = Meter(stats)
    stats.accepted, stats.seen = 10, 40
    stats.file_requests, stats.bytes_fetched = 20, 5_000_000
    assert meter.line(1010.0) == (
        "10/100 accepted · 40 seen · 2.0 files/s · 0.5 MB/s · about 1:30 left"
    )


def test_without_a_target_there_is_no_time_left() -> None:
    stats = Stats(started=1000.0)
    meter = Meter(stats)
    stats.accepted = 3
    assert meter.line(1001.0).startswith("3 accepted · 0 seen")
    assert "left" not in meter.line(1001.0)


def test_speeds_are_those_of_the_last_half_minute() -> None:
    stats = Stats(started=0.0)
    meter = Meter(stats)
    stats.file_requests = 1000
    for now in range(1, 100):
        line = meter.line(float(now))
    assert "0.0 files/s" in line


def test_it_says_why_it_waits_and_until_when() -> None:
    stats = Stats(started=0.0)
    stats.waiting["cdn.example"] = ("429", 100.0)
    stats.waiting["over.example"] = ("429", 5.0)
    line = Meter(stats).line(10.0)
    assert re.search(r"; cdn\.example waits until \d\d:\d\d:\d\d \(429\)", line)
    assert "over.example" not in line


@pytest.mark.parametrize(("seconds", "text"), [(5, "0:05"), (75.4, "1:15"), (3723, "1:02:03")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


async def test_without_a_terminal_there_is_a_plain_line_now_and_then(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAWL_TEST_PROGRESS_SECONDS", "0.02")
    async with progress(Stats(want=5), quiet=False) as say:
        await asyncio.sleep(0.1)
        say("something happened")
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines()[0].startswith("0/5 accepted")
    assert err.splitlines()[-1] == "something happened"
    assert "\x1b" not in err


async def test_quiet_shows_no_progress_but_still_speaks(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAWL_TEST_PROGRESS_SECONDS", "0.01")
    async with progress(Stats(), quiet=True) as say:
        await asyncio.sleep(0.05)
        say("stopping")
    assert capfd.readouterr().err == "stopping\n"
