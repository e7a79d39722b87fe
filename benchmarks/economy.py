"""What one good picture costs the site: API requests, file requests and megabytes.

    python -m benchmarks.economy [--pictures DIR] [--posts N] [--rounds 3] [--save]

`trawl character`, a plain `trawl crawl` and gallery-dl gather the same search from the demo site,
each from a fresh site and into a fresh folder, in turns. The site's own ledger counts; nothing a
client says of itself is used.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_plus

from benchmarks.demo_site import Running, demo_site
from benchmarks.report import Report, note
from crawler.demo.kinds import KINDS
from crawler.demo.ledger import Entry
from crawler.demo.world import REIMU, World, big_world, default_world, pictures_world

WANTS = (None, 20, 50)
LEAST_SIDE, LEAST_PIXELS = 768, 900_000
"""The size both are told to ask for; also trawl's default."""

QUERY = (
    f"{REIMU} -status:deleted filetype:jpg,png,webp,avif rating:g,s"
    f" width:>={LEAST_SIDE} height:>={LEAST_SIDE} mpixels:>={LEAST_PIXELS / 1e6:g}"
)
"""gallery-dl's search: one tag that costs, and all that the site filters for free."""

PLAIN_QUERY = f"{REIMU} rating:g,s"
"""What most people would ask for."""

UNWANTED = (
    *("upscaled", "ai_upscaled", "resized", "downscaled", "jpeg_artifacts", "corrupted_image"),
    *("source_larger", "source_smaller", "resolution_mismatch", "duplicate", "nude_filter"),
    *("pixel-perfect_duplicate", "ai-generated", "ai-assisted", "third-party_edit", "decensored"),
    *("hard-translated", "monochrome", "greyscale", "sepia", "spot_color", "comic", "2koma"),
    *("3koma", "4koma", "5koma", "multiple_4koma", "silent_comic", "lowres", "animated", "video"),
    *("loli", "shota", "toddlercon"),
)
"""Tags gallery-dl's --filter refuses: those trawl refuses by default, as Danbooru spells them."""

FILTER = (
    f"not set(tags) & {set(UNWANTED)!r}"
    " and not any(t.endswith('_sample') for t in tags_meta)"
    " and not (rating != 'g' and 'child' in tags)"
)

NOTES = f"""\
Good is what the world's truth says should be accepted (of posts that are equally good copies, one);
where a world tells no truth, what is large enough by its own size. "Bad kept" are files in the
folder that are not. Medians of the rounds; counts that differ show (least - most); in brackets the
ratio to gallery-dl at its best, where under 1 is fewer.

gallery-dl as published, at its best: pages of 200, no sleep between requests, 2 retries, and

- the search `{QUERY}`
  (one term that costs, the rest is free: all that trawl itself pushes down to the site);
- a `--filter` refusing every tag that trawl's defaults refuse ({len(UNWANTED)} tags, `*_sample`,
  and `child` outside rating g), so it knows all that trawl knows before a download;
- `--range 1-N` where N are wanted (it counts files that passed the filter, also failed ones).

"gallery-dl, plain" is the same with the search `{PLAIN_QUERY}` and no `--filter`.
trawl runs with its defaults; `trawl character` walks its three tiers.
"""


@dataclass(frozen=True)
class Cost:
    """What one run asked of the site, and what it has to show for it."""

    api: int
    files: int
    api_bytes: int
    file_bytes: int
    good: int
    bad: int
    by_kind: Mapping[str, tuple[int, int]]
    """Kind of post -> file requests and bytes."""

    def per_good(self) -> tuple[float, float, float]:
        """API requests, file requests, MB for each good picture; infinite where none is good."""
        if not self.good:
            return math.inf, math.inf, math.inf
        sent = (self.api_bytes + self.file_bytes) / 1e6
        return self.api / self.good, self.files / self.good, sent / self.good


Client = Callable[[Running, int | None], set[int]]
"""Gathers up to so many pictures from a site; returns the posts whose files it kept."""


def trawl(*words: str) -> Client:
    """`trawl character` or `trawl crawl` with its defaults."""

    def gather(site: Running, want: int | None) -> set[int]:
        target = ["--all"] if want is None else ["--want", str(want)]
        at = ["-w", str(site.folder / "set")]
        out = ["--out", str(site.folder / "out")] if words[0] == "character" else []
        run([*our_command(), *words, *out, *at, *target, "-q"], site.environment())
        kept = run(
            [*our_command(), "query", "state:accepted", *at, "--format", "ndjson"],
            site.environment(),
        )
        return {int(json.loads(line)["site_id"]) for line in kept.splitlines()}

    return gather


def our_command() -> list[str]:
    return [sys.executable, "-m", "crawler.cli.main"]


def gallery_dl(query: str, *filters: str) -> Client:
    """gallery-dl with a search and its filter, configured as `NOTES` says."""

    def gather(site: Running, want: int | None) -> set[int]:
        config = gallery_dl_config(site)
        limit = () if want is None else ("--range", f"1-{want}")
        url = f"{site.base_url}/posts?tags={quote_plus(query)}"
        command = [sys.executable, "-m", "gallery_dl", "--config-ignore", "--config", str(config)]
        run([*command, "--no-input", "--quiet", *filters, *limit, url], site.environment())
        stored = site.folder / "files"
        return {int(p.stem) for p in stored.iterdir() if p.suffix != ".part"}

    return gather


def gallery_dl_config(site: Running) -> Path:
    host = site.base_url.removeprefix("http://")
    config = site.folder / "gallery-dl.json"
    config.write_text(
        json.dumps(
            {
                "extractor": {
                    "Danbooru": {
                        "demo": {"root": site.base_url, "pattern": host.replace(".", r"\.")}
                    },
                    "sleep-request": 0,
                    "base-directory": str(site.folder),
                    "directory": ["files"],
                    "filename": "{id}.{extension}",
                },
                "downloader": {"retries": 2},
            }
        ),
        encoding="utf-8",
    )
    return config


CLIENTS: Mapping[str, Client] = {
    "trawl character": trawl("character", REIMU),
    "trawl crawl": trawl("crawl", "danbooru", REIMU),
    "gallery-dl": gallery_dl(QUERY, "--filter", FILTER),
    "gallery-dl, plain": gallery_dl(PLAIN_QUERY),
}
OURS, PEER = "trawl crawl", "gallery-dl"


def run(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run a client. A site with broken files leaves failures behind: only crashes stop us."""
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    if "Traceback" in done.stderr or done.returncode not in (0, 4):
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def measure(client: Client, want: int | None, world: World, arguments: Sequence[str]) -> Cost:
    with demo_site(*arguments) as site:
        kept = client(site, want)
        entries = site.entries()
        api = [e for e in entries if f"http://{e.host}" == site.base_url]
        files = [e for e in entries if f"http://{e.host}" != site.base_url]
        good = goods(world, kept)
        return Cost(
            len(api),
            len(files),
            sum(e.sent for e in api),
            sum(e.sent for e in files),
            good,
            len(kept) - good,
            by_kind(world, files),
        )


def by_kind(world: World, files: Sequence[Entry]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for entry in files:
        md5 = entry.path.rpartition("/")[2].partition(".")[0]
        post = world.get(world.post_of_file.get(md5, -1))
        kind = post.kind if post else "?"
        requests, sent = found.get(kind, (0, 0))
        found[kind] = requests + 1, sent + entry.sent
    return found


def goods(world: World, kept: set[int]) -> int:
    """How many different good pictures these posts are."""
    good: set[str] = set()
    for post_id in kept:
        post = world.get(post_id)
        assert post is not None
        fate = KINDS.get(post.kind)
        if fate is None:
            sides = post.media.width, post.media.height
            if min(sides) >= LEAST_SIDE and sides[0] * sides[1] >= LEAST_PIXELS:
                good.add(str(post_id))
        elif fate.state == "accepted":
            good.add(str(post_id))
        elif fate.state == "copy":
            good.add(f"copy {post.copies}")
    return len(good)


def main() -> None:
    parser = argparse.ArgumentParser(description="What one good picture costs the site.")
    parser.add_argument("--pictures", type=Path, help="serve the pictures of this folder")
    parser.add_argument("--posts", type=int, help="serve this many simple posts")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--save", action="store_true", help="keep the result in results/")
    given = parser.parse_args()
    world, arguments, name, shown = default_world(), [], "economy", sys.argv[1:]
    if given.pictures:
        world, arguments = pictures_world(given.pictures), ["--pictures", str(given.pictures)]
        name = "economy_pictures"
        shown = ["DIR" if arg == str(given.pictures) else arg for arg in shown]
    elif given.posts:
        world, arguments = big_world(given.posts), ["--posts", str(given.posts)]
        name = "economy_posts"
    title = "What one good picture costs the site"
    with Report("economy", title, shown, save=given.save, result=name) as out:
        out.say(f"{len(world.posts)} posts, {given.rounds} rounds.\n")
        out.say(NOTES)
        for want in WANTS:
            costs: dict[str, list[Cost]] = {client: [] for client in CLIENTS}
            for number in range(given.rounds):
                for client in CLIENTS:
                    note(f"want {want or 'all'}, round {number + 1}: {client}")
                    costs[client].append(measure(CLIENTS[client], want, world, arguments))
            tell(out, want, costs)
            if want is None:
                tell_kinds(out, costs[OURS][-1], costs[PEER][-1])


def tell(out: Report, want: int | None, costs: Mapping[str, list[Cost]]) -> None:
    out.say(f"## {'The whole search' if want is None else f'{want} pictures wanted'}\n")
    rows = []
    peer = [statistics.median(column) for column in per_good(costs[PEER])]
    for client, runs in costs.items():
        ours = [statistics.median(column) for column in per_good(runs)]
        figures = [
            shown_figure(value, base if client != PEER else None)
            for value, base in zip(ours, peer, strict=True)
        ]
        counts = [
            counted([getattr(r, name) for r in runs]) for name in ("good", "bad", "api", "files")
        ]
        api_mb = statistics.median(r.api_bytes for r in runs) / 1e6
        rows.append([client, *counts, f"{api_mb:.2f}", *figures])
    out.table(
        [
            *("", "good", "bad kept", "API requests", "file requests", "API MB"),
            *("API / good", "files / good", "MB / good"),
        ],
        rows,
    )


def shown_figure(value: float, base: float | None) -> str:
    if math.isinf(value):
        return "none good"
    return f"{value:.4f}" + (f" ({value / base:.2f}x)" if base else "")


def tell_kinds(out: Report, ours: Cost, theirs: Cost) -> None:
    rows = []
    for kind in sorted({*ours.by_kind, *theirs.by_kind}):
        (a, sent_a), (b, sent_b) = (x.by_kind.get(kind, (0, 0)) for x in (ours, theirs))
        if a != b or sent_a != sent_b:
            rows.append([kind, a, b, f"{sent_a / 1e6:.2f}", f"{sent_b / 1e6:.2f}"])
    if rows:
        out.say(f"Kinds of posts for whose files `{OURS}` and {PEER} asked differently:\n")
        out.table(["", f"{OURS}: requests", f"{PEER}: requests", "MB", "MB"], rows)


def per_good(runs: Sequence[Cost]) -> list[tuple[float, ...]]:
    return list(zip(*(cost.per_good() for cost in runs), strict=True))


def counted(values: Sequence[int]) -> str:
    middle = statistics.median(values)
    if min(values) == max(values):
        return f"{middle:g}"
    return f"{middle:g} ({min(values)} - {max(values)})"


if __name__ == "__main__":
    main()
