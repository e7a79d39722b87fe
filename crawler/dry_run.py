"""What a crawl would do, without doing it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from crawler.adapters.base import Adapter, Http
from crawler.order import identities
from crawler.verdicts import Rules, predicate_of

MAX_PAGES = 25
"""Pages a dry run lists at most: it is a question, not a crawl."""


@dataclass(frozen=True)
class DryRun:
    """What a crawl would list, reject by claims alone, and fetch."""

    count: int | None
    """What the source says there is in all; None where it does not say."""
    listed: int
    fetch: int
    """Works whose bytes would be fetched, of those listed."""
    bytes: int
    """Claimed bytes of those."""
    unsized: int
    """How many of those claim no size."""
    rejected: Mapping[str, int]
    """What claims alone decide: reason -> count."""
    complete: bool
    """Whether listing got as far as the crawl itself would (its target, or the end)."""


async def dry_run(
    adapter: Adapter, query: str, rules: Rules, http: Http, want: int | None
) -> DryRun:
    """List as the crawl would, in memory. Raises UnknownTag and what the source raises."""
    resolved = await adapter.resolve(query, http)
    partitions = adapter.partitions(resolved, predicate_of(rules.policy))
    estimates = [await adapter.estimate(partition, http) for partition in partitions]
    counts = [e.count for e in estimates]
    seen: set[tuple[str, str, str]] = set()
    pictures: set[str] = set()
    rejected: Counter[str] = Counter()
    fetch = size = unsized = pages = 0
    complete = True
    for partition in partitions:
        async for page in adapter.discover(partition, None, http):
            pages += 1
            for work in page.candidates:
                key = (work.site, work.origin, work.site_id)
                if key in seen:
                    continue
                seen.add(key)
                ruling = rules.of_claims(work)
                same = pictures.intersection(identities(work))
                if ruling.state != "pending":
                    rejected[ruling.reason or ruling.state] += 1
                elif same:
                    rejected["duplicate"] += 1
                elif want is None or fetch < want:
                    fetch += 1
                    size += work.bytes or 0
                    unsized += work.bytes is None
                    pictures.update(identities(work))
            if (want is not None and fetch >= want) or pages >= MAX_PAGES:
                break
        if want is not None and fetch >= want:
            break
        if pages >= MAX_PAGES:
            complete = False
            break
    return DryRun(
        count=None if None in counts else _largest(counts),
        listed=len(seen),
        fetch=fetch,
        bytes=size,
        unsized=unsized,
        rejected=dict(rejected),
        complete=complete,
    )


def _largest(counts: list[int | None]) -> int | None:
    """Tiers overlap, and the last one holds them all: the largest is the number of works."""
    return max((c for c in counts if c is not None), default=None)
