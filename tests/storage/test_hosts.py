"""Cool-downs of hosts outlive the process, are shared, and survive a clock that jumps."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from storage.errors import StorageError
from storage.hosts import HostCooldowns, in_force

HOST = "example.org:443"


@dataclass
class Clock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hosts(tmp_path: Path, clock: Clock) -> HostCooldowns:
    return HostCooldowns(tmp_path / "state" / "hosts.db", clock=clock)


def test_an_unknown_host_may_be_asked(hosts: HostCooldowns) -> None:
    assert hosts.get(HOST) is None


def test_the_next_run_learns_what_is_left(hosts: HostCooldowns, clock: Clock) -> None:
    hosts.put(HOST, 100.0, "HTTP 429")
    clock.now += 40
    assert HostCooldowns(hosts.path, clock=clock).get(HOST) == (60.0, "HTTP 429")
    clock.now += 60
    assert hosts.get(HOST) is None


def test_a_shorter_wait_does_not_shorten_a_longer_one(hosts: HostCooldowns) -> None:
    hosts.put(HOST, 100.0, "long")
    hosts.put(HOST, 5.0, "short")
    assert hosts.get(HOST) == (100.0, "long")
    hosts.put(HOST, 200.0, "longer")
    assert hosts.get(HOST) == (200.0, "longer")


def test_hosts_do_not_share_their_waits(hosts: HostCooldowns) -> None:
    hosts.put(HOST, 100.0, "HTTP 429")
    assert hosts.get("example.org:80") is None


def test_a_clock_that_went_back_makes_no_wait_longer_nor_endless(
    hosts: HostCooldowns, clock: Clock
) -> None:
    hosts.put(HOST, 100.0, "HTTP 429")
    clock.now -= 10 * 365 * 86_400
    assert hosts.get(HOST) == (100.0, "HTTP 429")
    clock.now += 70
    assert hosts.get(HOST) == (30.0, "HTTP 429")
    clock.now += 30
    assert hosts.get(HOST) is None


def test_a_person_can_lift_a_wait(hosts: HostCooldowns) -> None:
    hosts.put(HOST, 1e8, "HTTP 429")
    hosts.forget(HOST)
    assert hosts.get(HOST) is None


def test_waits_that_are_over_leave_the_file(hosts: HostCooldowns, clock: Clock) -> None:
    for number in range(20):
        hosts.put(f"h{number}:80", 10.0, "HTTP 503")
    clock.now += 11
    hosts.put(HOST, 10.0, "HTTP 503")
    with sqlite3.connect(hosts.path) as db:
        assert db.execute("SELECT host FROM cooldowns").fetchall() == [(HOST,)]
    db.close()


def test_threads_may_write_at_once(hosts: HostCooldowns) -> None:
    def put(number: int) -> None:
        for step in range(10):
            hosts.put(HOST, float(number * 10 + step + 1), "HTTP 429")

    threads = [threading.Thread(target=put, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert hosts.get(HOST) == (80.0, "HTTP 429")


def test_processes_share_the_file(tmp_path: Path) -> None:
    path = tmp_path / "hosts.db"
    code = (
        "import sys; from pathlib import Path; from storage.hosts import HostCooldowns\n"
        "hosts = HostCooldowns(Path(sys.argv[1]))\n"
        "for step in range(20): hosts.put(f'{sys.argv[2]}-{step}:80', 1000.0, 'HTTP 429')\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in ("a", "b", "c")
    ]
    assert [process.wait(30) for process in running] == [0, 0, 0]
    hosts = HostCooldowns(path)
    assert all(hosts.get(f"{n}-{step}:80") for n in ("a", "b", "c") for step in range(20))


def test_a_damaged_file_is_named_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "hosts.db"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StorageError, match=r"hosts\.db") as caught:
        HostCooldowns(path).get(HOST)
    assert "delete" in caught.value.hint


def test_a_folder_that_cannot_be_made_is_told_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot keep") as told:
        HostCooldowns(tmp_path / "file" / "hosts.db")
    assert "XDG_STATE_HOME" in told.value.hint


def test_those_in_force_are_listed_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "state" / "hosts.db"
    assert in_force(path) == []
    assert not path.parent.exists()
    hosts = HostCooldowns(path, clock=lambda: 1_000.0)
    hosts.put("later:80", 90.0, "HTTP 429")
    hosts.put("sooner:80", 30.0, "HTTP 503")
    found = in_force(path, clock=lambda: 1_010.0)
    assert [(c.host, c.until, c.reason) for c in found] == [
        ("sooner:80", 1_030.0, "HTTP 503"),
        ("later:80", 1_090.0, "HTTP 429"),
    ]
    assert [c.host for c in in_force(path, clock=lambda: 1_040.0)] == ["later:80"]
    # Where the clock went back, a wait is no longer than it was.
    assert [c.until for c in in_force(path, clock=lambda: 500.0)] == [530.0, 590.0]
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StorageError, match=r"hosts\.db"):
        in_force(path)
