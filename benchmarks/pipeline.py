"""What a crawl costs this machine beyond decoding: CPU, throughput and memory.

    python -m benchmarks.pipeline [--count 150] [--rounds 5] [--save]

The demo site serves 2 MP JPEGs from a process of its own. In turns, each in a fresh process: the
whole crawl with everything on; decode and measure alone, of the same files from disk in the same
number of threads; and the download alone (fetch, hashes, write). CPU is that of the process, all
its threads, from before the first request to after the last commit; imports are done before.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

from benchmarks.demo_site import Running, demo_site
from benchmarks.pictures import folder_of, large, two_megapixels
from benchmarks.report import Report, note, spread
from crawler.decoding.calculation import VARIABLES
from crawler.demo.world import REIMU

TARGET = 0.85
MEMORY = 250
CONNECTIONS = 16

NOTES = """\
Images a second depend on a site that runs on the same cores: look at CPU and ratios. "Fixed" is
the CPU of the same work for one picture: opening and closing the workspace, TLS, plug-ins, listing.
"A further image" is the rest, spread over the other pictures. Ratios are of decode + measure alone
to the whole crawl, in the same round. Memory is what was resident at most.
"""


@dataclass(frozen=True)
class Spent:
    """What one process spent."""

    images: int
    seconds: float
    cpu: float
    resident: float
    """MB, the most at any time."""
    imported: float
    """MB, before the work began."""

    @property
    def cpu_ms(self) -> float:
        return self.cpu / self.images * 1000


# -- the work, in a process of its own ----------------------------------------------------------


def warm() -> None:
    """Import all that a crawl imports late, by measuring a small picture."""
    import crawler.workspace  # noqa: F401
    from crawler import plugins
    from filters.picture import Picture

    file = io.BytesIO()
    Image.effect_noise((640, 640), 50).convert("RGB").save(file, "JPEG")
    with Picture.open(file.getvalue()) as picture:
        plugins.judge().measure(picture)


async def whole(folder: Path, scratch: Path) -> int:
    import crawler

    async with crawler.open(scratch / "set") as ws:
        summary = await ws.crawl("danbooru", REIMU, want=None)
    return sum(row.count for row in summary.rows if row.state in ("accepted", "rejected"))


async def alone(folder: Path, scratch: Path) -> int:
    from crawler import plugins
    from filters.picture import Picture

    judge = plugins.judge()

    def look(file: Path) -> None:
        with Picture.open(file) as picture:
            judge.measure(picture)

    files = sorted(folder.iterdir())
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        list(pool.map(look, files))
    return len(files)


async def download(folder: Path, scratch: Path) -> int:
    from crawler.adapters.base import Predicate
    from crawler.adapters.danbooru import Danbooru
    from crawler.http.session import Session
    from crawler.settings import load
    from crawler.stats import Stats

    settings = load(None)
    site = settings.site("danbooru", Danbooru.default_site)
    adapter = Danbooru(site, Danbooru.Options())
    places = asyncio.Semaphore(32)
    async with Session(settings.net, Stats()) as session:
        http = session.site(site)
        (part,) = adapter.partitions(REIMU, Predicate())
        listed = [c async for page in adapter.discover(part, None, http) for c in page.candidates]

        async def one(number: int) -> None:
            async with places:
                await http.fetch(listed[number].ladder[0], scratch / str(number))

        await asyncio.gather(*map(one, range(len(listed))))
    return len(listed)


WORK: Mapping[str, Callable[[Path, Path], Awaitable[int]]] = {
    "decode + measure alone": alone,
    "download alone": download,
    "whole crawl": whole,
}
ALONE, WHOLE = "decode + measure alone", "whole crawl"


def child(name: str, folder: Path) -> None:
    """Do the work once and print what it took."""
    warm()
    before = resident()
    with tempfile.TemporaryDirectory(prefix="trawl-benchmark-") as scratch:
        cpu, wall = time.process_time(), time.perf_counter()

        async def work() -> int:
            return await WORK[name](folder, Path(scratch))

        images = asyncio.run(work())
        spent = Spent(
            images,
            time.perf_counter() - wall,
            time.process_time() - cpu,
            resident(),
            before,
        )
    print(json.dumps(asdict(spent)))


def resident() -> float:
    """MB that were resident at most so far (Linux counts in kB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


# -- the rounds ---------------------------------------------------------------------------------


def measure(name: str, folder: Path, site: Running) -> Spent:
    environment = {
        **site.environment(),
        "TRAWL_SITES__DANBOORU__CONNECTIONS": str(CONNECTIONS),
        **dict.fromkeys(VARIABLES, "1"),
    }
    command = [sys.executable, "-m", "benchmarks.pipeline", "--child", name, "--folder"]
    done = subprocess.run(
        [*command, str(folder)], env=environment, capture_output=True, text=True, timeout=300
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    spent = Spent(**json.loads(done.stdout))
    expected = sum(1 for _ in folder.iterdir())
    if spent.images != expected:
        raise SystemExit(f"{name}: {spent.images} of {expected} pictures were looked at")
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description="What a crawl costs beyond decoding.")
    parser.add_argument("--count", type=int, default=150, help="pictures of 2 MP")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--save", action="store_true", help="keep the result in results/")
    parser.add_argument("--child", choices=list(WORK), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child, given.folder)
        return
    note("making pictures where there are none yet")
    folder = folder_of("2mp", two_megapixels(given.count))
    one = folder_of("2mp", two_megapixels(1))
    big = folder_of("large", large())
    title = "What a crawl costs beyond decoding"
    with Report("pipeline", title, sys.argv[1:], save=given.save) as out:
        size = statistics.mean(file.stat().st_size for file in folder.iterdir()) / 1e3
        out.say(
            f"{given.count} JPEGs of 2 MP, mean {size:.0f} KB, every fifth progressive;"
            f" {given.rounds} alternating rounds; {CONNECTIONS} connections.\n"
        )
        out.say(NOTES)
        rounds, fixed = [], []
        with (
            demo_site("--pictures", str(folder)) as site,
            demo_site("--pictures", str(one)) as small,
        ):
            for number in range(given.rounds):
                note(f"round {number + 1}")
                rounds.append({name: measure(name, folder, site) for name in WORK})
                fixed.append({name: measure(name, one, small) for name in WORK})
        tell(out, rounds, fixed)
        with demo_site("--pictures", str(big)) as site:
            tell_large(out, [measure(WHOLE, big, site) for _ in range(3)])


def tell(
    out: Report, rounds: Sequence[Mapping[str, Spent]], fixed: Sequence[Mapping[str, Spent]]
) -> None:
    rows = []
    for name in WORK:
        runs = [each[name] for each in rounds]
        further = [
            further_ms(each[name], first[name]) for each, first in zip(rounds, fixed, strict=True)
        ]
        rows.append(
            [
                name,
                spread([run.cpu_ms for run in runs]),
                spread([each[name].cpu * 1000 for each in fixed], 0),
                spread(further),
                spread([run.images / run.seconds for run in runs], 0),
                spread([run.imported for run in runs], 0),
                spread([run.resident for run in runs], 0),
            ]
        )
    headings = ["", "CPU ms an image", "fixed, ms a run", "ms a further image", "images/s"]
    out.table([*headings, "MB after imports", "MB at most"], rows)
    all_in = [each[ALONE].cpu / each[WHOLE].cpu for each in rounds]
    further = [
        further_ms(each[ALONE], first[ALONE]) / further_ms(each[WHOLE], first[WHOLE])
        for each, first in zip(rounds, fixed, strict=True)
    ]
    for what, ratios in (("all included", all_in), ("a further image", further)):
        met = verdict(statistics.median(ratios) >= TARGET)
        out.say(f"- Ratio, {what}: {spread(ratios, 3)}; target at least {TARGET}: {met}.")
    most = max(each[WHOLE].resident for each in rounds)
    out.say(f"- Memory: {most:.0f} MB; target at most {MEMORY}: {verdict(most <= MEMORY)}.")


def further_ms(many: Spent, one: Spent) -> float:
    """CPU ms of every picture after the first."""
    return (many.cpu - one.cpu) / (many.images - one.images) * 1000


def tell_large(out: Report, runs: Sequence[Spent]) -> None:
    most = max(run.resident for run in runs)
    formats = ", ".join(f"{r.width * r.height / 1e6:.0f} MP {r.ext}" for r in large())
    out.say(
        f"- Memory, a site of large pictures ({formats}): {spread([r.resident for r in runs], 0)}"
        f" MB; target at most {MEMORY}: {verdict(most <= MEMORY)}. (Decoded, 40 MP are 160 MB.)"
    )


def verdict(met: bool) -> str:
    return "met" if met else "not met"


if __name__ == "__main__":
    main()
