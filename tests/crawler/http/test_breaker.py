"""The breaker of one host: what opens it, who may probe, what closes it, when it gives up."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.errors import FetchError
from crawler.http.breaker import Breaker, Probe
from crawler.http.retry import Trouble
from crawler.site import Net

HOST = "example.org:443"


def breaker(**options: Any) -> Breaker:
    return Breaker(HOST, Net(**{"breaker_after": 3, "cooldown_first": 2.0, **options}))


def outage() -> Trouble:
    return Trouble("http_5xx", "HTTP 503", transient=True, status=503)


def open_it(this: Breaker, times: int = 3) -> float | None:
    return [this.failed(outage(), time.monotonic(), None) for _ in range(times)][-1]


def probe_of(this: Breaker) -> Probe:
    probe = this.enter()
    assert probe is not None
    return probe


def fail_probe(this: Breaker) -> float | None:
    return this.failed(outage(), time.monotonic(), probe_of(this))


def test_failures_in_a_row_open_it_and_an_answer_between_starts_the_count_anew() -> None:
    this = breaker()
    assert open_it(this, 2) is None
    this.answered()
    assert open_it(this, 2) is None
    assert this.held(time.monotonic()) == 0.0
    assert this.enter() is None
    assert open_it(this, 1) == 2.0
    assert 1.9 < this.held(time.monotonic()) <= 2.0


def test_one_probe_at_a_time_after_doubling_waits() -> None:
    this = breaker(breaker_longest=8.0)
    open_it(this)
    probe = probe_of(this)
    assert this.held(time.monotonic()) == math.inf
    assert this.failed(outage(), time.monotonic(), probe) == 4.0
    assert [fail_probe(this) for _ in range(3)] == [8.0, 8.0, 8.0]
    assert 7.9 < this.held(time.monotonic()) <= 8.0


def test_a_failed_probe_is_free_and_any_other_failure_is_not() -> None:
    this, first, probing = breaker(breaker_after=1), outage(), outage()
    this.failed(first, time.monotonic(), None)
    this.failed(probing, time.monotonic(), probe_of(this))
    assert (first.free, probing.free, probing.at_once) == (False, True, True)


def test_what_was_under_way_when_it_opened_counts_as_that_one_failure() -> None:
    this, sent = breaker(breaker_patience=2), time.monotonic()
    open_it(this)
    for _ in range(10):
        assert this.failed(outage(), sent, None) is None
    this.check()
    assert this.answered()
    # Nor does it open it again: it was sent before the host came back.
    for _ in range(10):
        assert this.failed(outage(), sent, None) is None
    assert not this.is_open


def test_an_answer_to_anybody_closes_it_and_ends_the_right_of_the_probe_that_is_out() -> None:
    this = breaker()
    open_it(this)
    late = probe_of(this)
    assert this.answered()
    assert this.held(time.monotonic()) == 0.0
    open_it(this)
    probe = probe_of(this)
    # The probe of before says nothing of now: neither its failure nor its end.
    assert this.failed(outage(), time.monotonic(), late) is None
    this.give_back(late)
    assert this.held(time.monotonic()) == math.inf
    this.give_back(probe)
    assert this.held(time.monotonic()) < math.inf


def test_a_probe_given_back_lets_the_next_go_at_once_and_costs_nothing() -> None:
    this = breaker(breaker_patience=2, cooldown_first=0.0)
    open_it(this)
    for _ in range(5):
        this.give_back(probe_of(this))
        assert this.held(time.monotonic()) <= 0.0
    this.check()


def test_a_host_whose_probes_all_fail_is_given_up_for_good() -> None:
    this = breaker(breaker_patience=4)
    open_it(this)
    assert [fail_probe(this) is None for _ in range(4)] == [False, False, False, True]
    for _ in range(2):
        with pytest.raises(FetchError, match=r"^example\.org is .*4 probes.*HTTP 503") as caught:
            this.check()
        assert (caught.value.reason, caught.value.transient) == ("host_down", True)
        assert not this.answered()


async def test_who_waits_hears_at_once_of_an_answer() -> None:
    this = breaker()
    open_it(this)
    began = time.monotonic()
    waiting = asyncio.create_task(this.moved(60.0))
    await asyncio.sleep(0.01)
    this.answered()
    await waiting
    assert time.monotonic() - began < 1.0


@given(
    st.lists(st.sampled_from(["enter", "fail", "probe fails", "answer", "give back", "late"])),
    st.integers(1, 5),
    st.integers(1, 5),
)
def test_there_are_never_two_probes_and_never_a_request_beside_one(
    acts: list[str], after: int, patience: int
) -> None:
    this = breaker(breaker_after=after, breaker_patience=patience, cooldown_first=0.0)
    out: Probe | None = None
    ended: Probe | None = None
    failed_probes, down = 0, False
    for act in acts:
        match act:
            case "enter" if this.held(time.monotonic()) <= 0 and not down:
                assert out is None
                out = this.enter()
                assert (out is not None) == this.is_open
            case "fail":
                this.failed(outage(), time.monotonic(), None)
            case "probe fails" if out is not None:
                this.failed(outage(), time.monotonic(), out)
                ended, out = out, None
                failed_probes += 1
                down = failed_probes >= patience
            case "answer":
                this.answered()
                ended, out = out or ended, None
                failed_probes = 0
            case "give back" if out is not None:
                this.give_back(out)
                ended, out = out, None
            case "late":
                this.failed(outage(), time.monotonic(), ended)
        if out is not None:
            assert this.held(time.monotonic()) == math.inf
        if down:
            with pytest.raises(FetchError):
                this.check()
        else:
            this.check()
