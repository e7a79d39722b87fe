"""Files a second from a host that takes its time: 500 KB files at 100 ms.

    python -m benchmarks.latency [--count 200] [--slow-count 40] [--rounds 5] [--save]

The demo site waits 100 ms before every answer and serves 2 MP JPEGs of 500 KB. In turns: a whole
`trawl crawl` with 16 connections, the same with one, and gallery-dl, which fetches one file at a
time. Each run goes into a fresh folder; the time of the same command for one file is taken off.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote_plus

from benchmarks.demo_site import Running, demo_site
from benchmarks.economy import gallery_dl_config, our_command
from benchmarks.pictures import Recipe, folder_of
from benchmarks.pipeline import Spent, measure
from benchmarks.report import Report, note, spread
from crawler.demo.world import REIMU

LATENCY_MS = 100
FILE_BYTES = 500_000
CONNECTIONS = 16
TARGET = 8.0
RATE = "1000"
"""Requests a second and host: far above what any of them reaches, so it binds nobody."""

NOTES = f"""\
Files a second are (n - 1) / (seconds for n files - seconds for one file), in the same round: both
sides start, list, wait for the answers to that and end in both terms, so what is left is what a
further file takes. Ours is the whole crawl with everything on: download, md5, sha256, full decode,
all filters, fsync, catalog. gallery-dl downloads and writes, one file after the other as it does;
no sleep between its requests. Our rate limit is set to {RATE} requests/s and host, which binds
nowhere here. "Bound" is what the latency alone allows: connections / {LATENCY_MS} ms. CPU is that
of the client in the run of n files, start and end included. The site runs on the same cores; what
anything else on the machine took of them meanwhile is in the last column, and slows us more than
a client that waits most of the time. "Download alone" is our fetch, hashes and file without
decoding: {CONNECTIONS} connections, listing included, imports not.
"""


@dataclass(frozen=True)
class Ran:
    """One run of a client: seconds of the wall, and of CPU of the client, the site and others."""

    seconds: float
    cpu: float
    site_cpu: float
    others: float


@dataclass(frozen=True)
class Client:
    """How a client is told to gather so many files into a folder of its own."""

    command: Callable[[Running, int], Sequence[str]]
    kept: Callable[[Path], int]
    """How many files are there afterwards."""
    connections: int
    settings: Mapping[str, str]


def trawl(connections: int) -> Client:
    def command(site: Running, count: int) -> Sequence[str]:
        words = ["crawl", "danbooru", REIMU, "-w", str(site.folder / "set"), "-q"]
        return [*our_command(), *words, "--want", str(count)]

    def kept(folder: Path) -> int:
        return sum(path.is_file() for path in (folder / "set" / "files").rglob("*.jpg"))

    settings = {
        "TRAWL_SITES__DANBOORU__CONNECTIONS": str(connections),
        "TRAWL_SITES__DANBOORU__RATE": RATE,
    }
    return Client(command, kept, connections, settings)


def gallery_dl() -> Client:
    def command(site: Running, count: int) -> Sequence[str]:
        config = gallery_dl_config(site)
        url = f"{site.base_url}/posts?tags={quote_plus(REIMU)}"
        options = ["--config-ignore", "--config", str(config), "--no-input", "--quiet"]
        return [sys.executable, "-m", "gallery_dl", *options, "--range", f"1-{count}", url]

    def kept(folder: Path) -> int:
        return sum(path.suffix == ".jpg" for path in (folder / "files").iterdir())

    return Client(command, kept, 1, {})


OURS, ONE, PEER = f"trawl, {CONNECTIONS} connections", "trawl, 1 connection", "gallery-dl"
CLIENTS: Mapping[str, Client] = {OURS: trawl(CONNECTIONS), ONE: trawl(1), PEER: gallery_dl()}


def recipes(count: int) -> list[Recipe]:
    """JPEGs of 2 MP and 500 KB, every fifth progressive, as those of ``pipeline`` are."""
    return [
        Recipe(seed, 1632, 1224, progressive=seed % 5 == 4, target=FILE_BYTES)
        for seed in range(count)
    ]


def run(client: Client, site: Running, count: int) -> Ran:
    """One run in a folder of its own. Leaves the benchmark where files are missing."""
    with tempfile.TemporaryDirectory(prefix="trawl-benchmark-") as name:
        place = replace(site, folder=Path(name))
        command = client.command(place, count)
        environment = {**place.environment(), **client.settings}
        before, busy = cpu_of(site.process), cpu_of_all()
        began, spent = time.perf_counter(), os.times()
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        seconds, after = time.perf_counter() - began, os.times()
        if done.returncode or client.kept(Path(name)) != count:
            found = client.kept(Path(name))
            raise SystemExit(f"{' '.join(command)}: {found} of {count} files\\n{done.stderr}")
        cpu, site_cpu = sum(after[2:4]) - sum(spent[2:4]), cpu_of(site.process) - before
        return Ran(seconds, cpu, site_cpu, max(0.0, cpu_of_all() - busy - cpu - site_cpu))


def cpu_of(process: int) -> float:
    """Seconds of CPU that a process has used so far (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_of_all() -> float:
    """Seconds of CPU that everything on the machine has used so far (Linux)."""
    user, nice, system, _, _, *rest = Path("/proc/stat").read_text("ascii").split()[1:9]
    return sum(map(int, (user, nice, system, *rest))) / os.sysconf("SC_CLK_TCK")


def rate(one: Ran, many: Ran, count: int) -> float:
    """Files a second, what the first file and everything around it take taken off."""
    return (count - 1) / (many.seconds - one.seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description="Files a second from a slow host.")
    parser.add_argument("--count", type=int, default=200, help="files for us with 16 connections")
    parser.add_argument("--slow-count", type=int, default=40, help="files for one at a time")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--save", action="store_true", help="keep the result in results/")
    given = parser.parse_args()
    counts = {
        name: given.count if client.connections > 1 else given.slow_count
        for name, client in CLIENTS.items()
    }
    folder = folder_of("latency", recipes(given.count))
    size = statistics.mean(path.stat().st_size for path in folder.iterdir())
    title = f"Files a second at {LATENCY_MS} ms"
    with Report("latency", title, sys.argv[1:], save=given.save) as out:
        out.say(
            f"{given.count} JPEGs of 2 MP, mean {size / 1000:.0f} KB, {LATENCY_MS} ms before every"
            f" answer; {given.rounds} alternating rounds.\n"
        )
        out.say(NOTES)
        rounds: list[dict[str, tuple[Ran, Ran]]] = []
        alone: list[Spent] = []
        with demo_site("--pictures", str(folder), "--latency", str(LATENCY_MS)) as site:
            for number in range(given.rounds):
                rounds.append({})
                for name, client in CLIENTS.items():
                    note(f"round {number + 1}: {name}")
                    rounds[-1][name] = (
                        run(client, site, 1),
                        run(client, site, counts[name]),
                    )
                note(f"round {number + 1}: download alone")
                alone.append(measure("download alone", folder, site))
        tell(out, counts, rounds, alone)


Round = Mapping[str, tuple[Ran, Ran]]


def tell(
    out: Report, counts: Mapping[str, int], rounds: Sequence[Round], alone: Sequence[Spent]
) -> None:
    rates = {name: [rate(*each[name], count) for each in rounds] for name, count in counts.items()}
    rows = []
    for name, client in CLIENTS.items():
        many = [each[name][1] for each in rounds]
        count = counts[name]
        rows.append(
            [
                name,
                count,
                spread([each[name][0].seconds for each in rounds]),
                spread(rates[name], 1),
                f"{client.connections * 1000 / LATENCY_MS:.0f}",
                spread([ran.cpu / count * 1000 for ran in many], 1),
                spread([ran.site_cpu / count * 1000 for ran in many], 1),
                spread([ran.others / ran.seconds for ran in many]),
            ]
        )
    headings = ["", "files", "s for one file", "files/s", "bound", "CPU ms a file"]
    out.table([*headings, "site's CPU ms a file", "cores others had"], rows)
    for other in (PEER, ONE):
        ratios = [a / b for a, b in zip(rates[OURS], rates[other], strict=True)]
        met = "met" if statistics.median(ratios) >= TARGET else "not met"
        target = f"; target at least {TARGET:g}: {met}" if other == PEER else ""
        out.say(f"- {OURS} / {other}: {spread(ratios)}{target}.")
    fetched = [spent.images / spent.seconds for spent in alone]
    out.say(
        f"- Download alone: {spread(fetched, 1)} files/s,"
        f" {spread([spent.cpu_ms for spent in alone], 1)} ms of CPU a file;"
        f" {spread([a / b for a, b in zip(fetched, rates[PEER], strict=True)])}x {PEER}."
    )


if __name__ == "__main__":
    main()
