"""A workspace as programs and the command line use it: crawl, ask, export, follow."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from crawler import plugins
from crawler.adapters.base import Adapter
from crawler.dry_run import DryRun, dry_run
from crawler.engine import Engine
from crawler.errors import ConfigError, NotFound
from crawler.execution import execute, open_session
from crawler.exporting import check, export
from crawler.opening import Request
from crawler.refusal import refuse_blocked
from crawler.run import Run, Summary
from crawler.settings import Settings, load
from crawler.site import Site
from crawler.stats import Stats
from crawler.verdicts import Rules
from filters.policy import PolicyError
from storage import crawls, stream, workspace
from storage.database import write_once
from storage.reader import Reader
from storage.records import AcceptedImage, Crawl, CrawlSpec, Event, ExportReport

__all__ = ["DryRun", "Run", "StreamEvent", "Summary", "Workspace"]

DEFAULT_WANT = 200
POLL = 0.05
"""Seconds between looks for new events."""


@dataclass(frozen=True)
class StreamEvent:
    """An event handed to a consumer, which acknowledges it when its work is done."""

    event: Event
    image: AcceptedImage | None
    """The picture as it is now; None for events without one, and for withdrawn pictures."""
    _ack: Callable[[int], None]

    async def ack(self) -> None:
        """Remember that everything up to this event is done; the next run starts after it."""
        await asyncio.to_thread(self._ack, self.event.seq)


class Workspace:
    """A folder with a catalog. ``async with crawler.open(path) as ws:``."""

    def __init__(self, path: str | Path | None = None, settings: Settings | None = None) -> None:
        self.path = workspace.find(path, os.environ, Path.cwd())
        self.settings = settings or load(self.path)

    async def __aenter__(self) -> Workspace:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    # -- crawling -----------------------------------------------------------------------------

    def crawl(
        self,
        source: str,
        *words: str,
        want: int | None = DEFAULT_WANT,
        policy: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        fresh: bool = False,
        max_bytes: int | None = None,
        max_time: float | None = None,
        strict: bool = False,
    ) -> Run:
        """A crawl of ``source`` for ``words``, not yet started. The same crawl goes on by itself.

        ``policy`` is as :meth:`filters.policy.Judge.policy` takes it, over the settings' own.
        Raises UsageError, RefusedQuery and ConfigError.
        """
        rules = self._rules(policy or {})
        adapter, spec = self._adapter(source, words, options or {}, rules)
        request = Request(
            adapter=adapter,
            spec=spec,
            rules=rules,
            want=want,
            fresh=fresh,
            max_bytes=max_bytes,
            max_time=max_time,
            strict=strict,
        )
        return Run(Engine(request), self)

    def resume(
        self,
        crawl_id: str | None = None,
        *,
        max_bytes: int | None = None,
        max_time: float | None = None,
        strict: bool = False,
    ) -> Run:
        """Go on with a crawl by its id, or with the one touched last.

        Raises NotFound, ConfigError, and RefusedQuery where content safety has grown since.
        """
        crawl = self._known_crawl(crawl_id)
        adapter, _ = self._make_adapter(crawl.spec.site, crawl.spec.options)
        if adapter_origin(adapter, crawl.spec.site, self.settings) != crawl.spec.origin:
            raise ConfigError(
                f"crawl {crawl.id} was made at {crawl.spec.origin},"
                f" but [sites.{crawl.spec.site}] now names another base_url",
                hint="set the base_url back, or start a new crawl",
            )
        rules = self._rules(crawl.policy, own=False)
        for query in (crawl.spec.query, crawl.resolved):
            self._refuse_blocked(crawl.spec.site, [query], rules)
        request = Request(
            adapter=adapter,
            spec=crawl.spec,
            rules=rules,
            want=crawl.want,
            max_bytes=max_bytes,
            max_time=max_time,
            strict=strict,
            resume=crawl,
        )
        return Run(Engine(request), self)

    async def dry_run(
        self,
        source: str,
        *words: str,
        want: int | None = DEFAULT_WANT,
        policy: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> DryRun:
        """What a crawl would list, reject by claims and fetch. Writes nothing."""
        rules = self._rules(policy or {})
        adapter, spec = self._adapter(source, words, options or {}, rules)
        stats = Stats(want=want)
        async with open_session(self.settings, stats) as session:
            http = session.site(self._site(source))
            return await dry_run(adapter, spec.query, rules, http, want)

    async def _execute(self, engine: Engine) -> Summary:
        """Run an engine with everything it needs, under the workspace's lock."""
        return await execute(self.path, self.settings, self._site(engine.request.spec.site), engine)

    def _site(self, name: str) -> Site:
        return self.settings.site(name, _adapter_class(name, self.settings).default_site)

    def _make_adapter(self, source: str, options: Mapping[str, Any]) -> tuple[Adapter, Any]:
        made = _adapter_class(source, self.settings)
        values = {
            name: plugins.option_value(source, made.Options, name, value)
            for name, value in options.items()
        }
        chosen = made.Options(**values)
        return made(self._site(source), chosen), chosen

    def _adapter(
        self, source: str, words: Sequence[str], options: Mapping[str, Any], rules: Rules
    ) -> tuple[Adapter, CrawlSpec]:
        self._refuse_blocked(source, words, rules)
        adapter, chosen = self._make_adapter(source, options)
        spec = CrawlSpec(
            source=adapter.name,
            site=source,
            origin=adapter_origin(adapter, source, self.settings),
            query=adapter.canonical(words),
            options={k: _plain(v) for k, v in asdict(chosen).items()},
        )
        return adapter, spec

    def _refuse_blocked(self, source: str, words: Sequence[str], rules: Rules) -> None:
        # The words of a local source are paths: /home/young is no search for anybody.
        local = not self._site(source).base_url
        refuse_blocked(words, () if local else rules.policy["content"].ratings)

    def _rules(self, policy: Mapping[str, Any], *, own: bool = True) -> Rules:
        judge = plugins.judge()
        try:
            return Rules(judge, judge.policy(_merged(self.settings.policy if own else {}, policy)))
        except PolicyError as error:
            raise ConfigError(str(error)) from error

    def _known_crawl(self, crawl_id: str | None) -> Crawl:
        with Reader(self.path) as reader:
            if crawl_id is not None:
                found = crawls.get(reader.db, crawl_id)
            else:
                found = next(iter(crawls.every(reader.db)), None)
        if found is None:
            raise NotFound(
                f"there is no crawl {crawl_id}" if crawl_id else "there is no crawl yet",
                hint="`trawl status` lists the crawls of a workspace",
            )
        return found

    # -- what came of it ----------------------------------------------------------------------

    def images(self, words: Sequence[str] = (), *, crawl: str | None = None) -> list[AcceptedImage]:
        """The images that match query words, in the crawl's order: accepted ones, unless the words
        ask for a ``state:`` or ``reason:``.

        Of a crawl without words it is its set: the first ``want`` of them, also where it was run
        with a larger target before. Raises BadQuery and NotFound.
        """
        asked = list(words)
        if not any(word.removeprefix("-").startswith(("state:", "reason:")) for word in asked):
            asked.append("state:accepted")
        limit = None
        if crawl is not None:
            known = self._known_crawl(crawl)
            asked.append(f"crawl:{known.id}")
            limit = None if words else known.want
        with Reader(self.path) as reader:
            return list(reader.query(asked, limit=limit))

    def export(
        self,
        layout: str,
        out: str | Path,
        options: Mapping[str, Any] | None = None,
        *,
        crawl: str | None = None,
        words: Sequence[str] = (),
    ) -> ExportReport:
        """Lay images out for a trainer or a person: idempotent, touches only what changed.

        Without words it is what the crawl (or every crawl) accepted.
        """
        images = self.images(words, crawl=crawl)
        return self.lay_out(layout, Path(out), options or {}, images, crawl)

    def lay_out(
        self,
        layout: str,
        out: Path,
        options: Mapping[str, Any],
        images: Sequence[AcceptedImage],
        crawl: str | None = None,
    ) -> ExportReport:
        """Export these images. Without a trigger of its own a crawl's query is the trigger."""
        query = "" if crawl is None else self._known_crawl(crawl).resolved
        made = _layout(layout, options, query)
        return export(self.path / workspace.CATALOG, made, images, out)

    async def stream(
        self,
        consumer: str | None = None,
        *,
        after: int | None = None,
        follow: bool = False,
    ) -> AsyncIterator[StreamEvent]:
        """The event log in commit order, from the first event a consumer has not acknowledged.

        ``after`` (a seq) overrides where it starts. With ``follow`` it waits for more. At least
        once: an event that was not acknowledged comes again.
        """
        with Reader(self.path) as reader:
            seq = after
            if seq is None:
                seq = reader.acked(consumer) if consumer is not None else 0
            while True:
                events = reader.events(seq)
                for event in events:
                    seq = event.seq
                    yield StreamEvent(event, _as_it_is(reader, event), partial(self._ack, consumer))
                if not events:
                    if not follow:
                        return
                    await asyncio.sleep(POLL)

    def _ack(self, consumer: str | None, seq: int) -> None:
        if consumer is not None:
            write_once(
                self.path / workspace.CATALOG, lambda db: stream.acknowledge(db, consumer, seq)
            )


def _as_it_is(reader: Reader, event: Event) -> AcceptedImage | None:
    if event.candidate_id is None or event.kind == "retracted":
        return None
    image = reader.image(event.candidate_id, event.crawl_id)
    live = image is not None and image.state in ("accepted", "duplicate")
    return image if live and image is not None and image.sha256 == event.sha256 else None


def trigger_of(query: str) -> str:
    """A word to train from a search: its first tag, without what folders cannot hold."""
    words = [word for word in query.split() if word[0] not in "-~(" and ":" not in word]
    name = (words or [query])[0].replace("_", " ")
    return " ".join(re.sub(r'[/\\:*?"<>|,{}]+', " ", name).split())


def _layout(name: str, options: Mapping[str, Any], query: str = "") -> Any:
    made = plugins.load(plugins.EXPORTS, name)
    values = {
        option: plugins.option_value(name, made.Options, option, value)
        for option, value in options.items()
    }
    if query and "trigger" in {f.name for f in fields(made.Options)}:
        values.setdefault("trigger", trigger_of(query))
    return made(made.Options(**values))


def check_export(layout: str, out: Path, options: Mapping[str, Any]) -> None:
    """Raise now what an export would raise later: of its options, or of a folder not ours."""
    check(_layout(layout, options), out)


def adapter_origin(adapter: Adapter, source: str, settings: Settings) -> str:
    """The instance a source talks to: its base URL, or nothing for local sources."""
    return settings.site(source, adapter.default_site).base_url


def _adapter_class(source: str, settings: Settings) -> Any:
    return plugins.load(plugins.ADAPTERS, settings.adapter(source))


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` laid on ``base``, section by section; what is allowed adds up."""
    out: dict[str, Any] = dict(base)
    for key, value in over.items():
        if key == "allow":
            out["allow"] = sorted({*base.get("allow", ()), *value})
        elif isinstance(value, Mapping):
            out[key] = {**base.get(key, {}), **value}
        else:
            out[key] = value
    return out


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
