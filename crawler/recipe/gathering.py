"""Running a recipe: crawls, one after the other, until their pictures make the set."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from crawler.dry_run import DryRun
from crawler.errors import ConfigError, ItemsFailed, LimitReached, TrawlError
from crawler.recipe.plan import Recipe, Source
from crawler.recipe.selection import Picture, Selection, select
from crawler.recipe.steps import Standing, first_want, next_step
from crawler.run import Run, Summary
from crawler.workspace import Workspace
from storage import crawls
from storage.accepted import accepted
from storage.crawls import crawl_key
from storage.reader import Reader
from storage.records import AcceptedImage, Crawl
from storage.workspace import CATALOG


@dataclass(frozen=True, slots=True)
class Turn:
    """The turn of a source: what is asked of it, and why again."""

    source: Source
    has: int
    """Pictures that its crawl has accepted already."""
    kept_out: Mapping[str, int]
    """Kind of quota (``artist``) -> pictures of it that it kept out."""


Follow: TypeAlias = Callable[[Turn, Run], Awaitable[Summary]]
"""Awaits the run of a source to its end, showing what it likes of it."""


@dataclass(frozen=True)
class Limits:
    """What the whole run may use."""

    max_bytes: int | None = None
    max_time: float | None = None
    strict: bool = False


@dataclass(frozen=True)
class SourceResult:
    """What became of one source."""

    source: Source
    crawl: Crawl | None
    """None where it was not needed, or the run ended before its turn."""
    accepted: int
    selected: int
    ended: bool
    """It was asked for more, and has no more."""
    spent: bool
    """It was asked for no more: too many of its pictures had no place (``spare``)."""


@dataclass(frozen=True)
class Gathered:
    """A set, and how the run that brought it up to date ended."""

    recipe: Recipe
    selection: Selection
    images: tuple[AcceptedImage, ...]
    """The set; each with the id of the crawl of its source."""
    sources: tuple[SourceResult, ...]
    summaries: tuple[Summary, ...]
    """Of the crawls that were run, in their order."""
    error: TrawlError | None

    @property
    def state(self) -> Literal["finished", "stopped", "failed"]:
        """``finished``: all sources gave what they could. Else as the crawl that ended it."""
        ended = next((s.state for s in self.summaries if s.state != "finished"), None)
        return ended or ("stopped" if isinstance(self.error, LimitReached) else "finished")


@dataclass
class Gathering:
    """One run of a recipe in a workspace. The same recipe goes on where the last run stopped."""

    ws: Workspace
    recipe: Recipe
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        """Raises ConfigError where sources are one crawl or a quota contradicts the policy, and
        what :meth:`Workspace.crawl` raises.
        """
        self._began = time.monotonic()
        self._fetched = 0
        self._standings = [Standing() for _ in self.recipe.sources]
        self._crawls: list[Crawl | None] = [None for _ in self.recipe.sources]
        self._summaries: list[Summary] = []
        self._error: TrawlError | None = None
        runs = [self._run(source, 1) for source in self.recipe.sources]
        self._specs = [run.request.spec for run in runs]
        self._policies = [run.request.rules.policy for run in runs]
        _refuse_twins(self.recipe, [crawl_key(spec) for spec in self._specs])
        takes = {rating for policy in self._policies for rating in policy["content"].ratings}
        for letter, group in self.recipe.quotas.groups.items():
            if takes and letter not in takes:
                raise ConfigError(
                    f"quota.rating gives places to {group!r}, and the policy takes no rating"
                    f" {letter!r}",
                    hint="name the same ratings in policy.content.ratings and in quota.rating",
                )

    async def run(self, follow: Follow) -> Gathered:
        """Crawl until the set is full or nothing more is to be had.

        The first crawl that a signal, a limit or its source ends is the last one of the run. Raises
        what a crawl raises before it begins.
        """
        selection = self._look()
        while (step := next_step(self.recipe, selection, self._standings)) is not None:
            if reached := self._limit_reached():
                self._error = reached
                break
            source, standing = self.recipe.sources[step.source], self._standings[step.source]
            before = -1 if standing.outdated else standing.accepted
            kept_out = {
                kind: count
                for (kind, name), count in selection.kept_out.items()
                if name == source.name
            }
            turn = Turn(source, standing.accepted, kept_out)
            summary = await follow(turn, self._run(source, step.want))
            self._summaries.append(summary)
            self._fetched += summary.stats.bytes_fetched
            selection = self._look()
            if summary.state != "finished":
                self._error = self._told(summary.error)
                break
            if isinstance(summary.error, ItemsFailed):
                self._error = self._error or summary.error
            # Somebody may have taken pictures out meanwhile; a source that gives nothing is over.
            standing.ended = summary.accepted < step.want or standing.accepted <= before
        return self._gathered(selection)

    async def dry_run(self) -> list[tuple[Source, DryRun]]:
        """What each source would list, reject by claims and fetch for its part. Writes nothing."""
        return [
            (
                source,
                await self.ws.dry_run(
                    source.source,
                    *source.words,
                    want=first_want(self.recipe, number),
                    policy=source.policy,
                    options=source.options,
                ),
            )
            for number, source in enumerate(self.recipe.sources)
        ]

    def _run(self, source: Source, want: int) -> Run:
        limits, spent = self.limits, time.monotonic() - self._began
        return self.ws.crawl(
            source.source,
            *source.words,
            want=want,
            policy=source.policy,
            options=source.options,
            max_bytes=None if limits.max_bytes is None else limits.max_bytes - self._fetched,
            max_time=None if limits.max_time is None else limits.max_time - spent,
            strict=limits.strict,
        )

    def _limit_reached(self) -> LimitReached | None:
        limits = self.limits
        if limits.max_bytes is not None and self._fetched >= limits.max_bytes:
            return LimitReached(f"--max-bytes {limits.max_bytes} is used up")
        if limits.max_time is not None and time.monotonic() - self._began >= limits.max_time:
            return LimitReached(f"--max-time {limits.max_time:g} s has passed")
        return None

    def _told(self, error: TrawlError | None) -> TrawlError | None:
        """The limit that is told is that of the whole run, not what was left of it for a crawl."""
        return (self._limit_reached() or error) if isinstance(error, LimitReached) else error

    def _look(self) -> Selection:
        """Read how far every crawl is, and choose."""
        pictures: list[Picture] = []
        if (self.ws.path / CATALOG).is_file():
            with Reader(self.ws.path) as reader:
                for number, spec in enumerate(self._specs):
                    pictures += self._pictures(reader, number, crawls.find(reader.db, spec))
        return select(self.recipe, pictures)

    def _pictures(self, reader: Reader, number: int, crawl: Crawl | None) -> list[Picture]:
        self._crawls[number] = crawl
        if crawl is None:
            return []
        found = accepted(reader.db, crawl.id)
        standing = self._standings[number]
        standing.accepted = len(found)
        standing.outdated = crawl.policy != self._policies[number].to_json()
        return [
            Picture(number, one.position, one.sha256, one.candidate_id, one.artists, one.rating)
            for one in found
        ]

    def _gathered(self, selection: Selection) -> Gathered:
        images: list[AcceptedImage] = []
        if selection.chosen:
            with Reader(self.ws.path) as reader:
                for picture in selection.chosen:
                    crawl = self._crawls[picture.source]
                    image = reader.image(picture.candidate_id, crawl.id if crawl else None)
                    if image is not None:
                        images.append(image)
        short = len(selection.chosen) < self.recipe.target
        results = []
        for number, source in enumerate(self.recipe.sources):
            standing, selected = self._standings[number], selection.of(source.name)
            full = standing.accepted - selected >= self.recipe.spare
            wanting = selected < source.least or (short and selected < source.most)
            results.append(
                SourceResult(
                    source,
                    self._crawls[number],
                    standing.accepted,
                    selected,
                    ended=wanting and standing.ended,
                    spent=wanting and full and not standing.ended,
                )
            )
        return Gathered(
            self.recipe,
            selection,
            tuple(images),
            tuple(results),
            tuple(self._summaries),
            self._error,
        )


def _refuse_twins(recipe: Recipe, keys: Sequence[str]) -> None:
    for number, key in enumerate(keys):
        if (first := keys.index(key)) < number:
            one, other = recipe.sources[first].name, recipe.sources[number].name
            raise ConfigError(
                f"the sources {one!r} and {other!r} are the same crawl",
                hint="give them other words, other tiers, or make them one",
            )
