"""A workspace as programs and the command line use it: crawl, ask, export, follow."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from types import TracebackType
from typing import Any

from crawler import plugins
from crawler.adapters.base import Adapter
from crawler.consumers import NamedConsumer, every
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
from crawler.streaming import Feed, StreamEvent, stream
from crawler.verdicts import Rules, named_files
from filters.policy import PolicyError, laid_over
from storage import crawls, workspace
from storage.consumers import MAX_ATTEMPTS, Consumer
from storage.query.language import words_of
from storage.reader import Reader
from storage.records import AcceptedImage, Crawl, CrawlSpec, ExportReport
from storage.stream import MAX_INFLIGHT, Asked
from storage.words import BY_PERSON

__all__ = ["DryRun", "Run", "StreamEvent", "Summary", "Workspace"]

DEFAULT_WANT = 200


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
        self._require_trust(crawl.id, rules)
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
            return Rules(
                judge, judge.policy(laid_over(self.settings.policy if own else {}, policy))
            )
        except PolicyError as error:
            raise ConfigError(str(error)) from error

    def _require_trust(self, crawl_id: str, rules: Rules) -> None:
        """A catalog may be somebody else's, and name files of this machine to be run."""
        if self.settings.trusted:
            return
        ours = named_files(rules.judge, self._rules({}).policy)
        for option, files in named_files(rules.judge, rules.policy).items():
            if not {*files} <= {*ours.get(option, ())}:
                raise ConfigError(
                    f"crawl {crawl_id} names files that filters are to run"
                    f" ({option}: {', '.join(files)})",
                    hint="if you have started it, add --trust-workspace or crawl as before",
                )

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

    def images(
        self, words: Sequence[str] = (), *, crawl: str | None = None, limit: int | None = None
    ) -> list[AcceptedImage]:
        """The images that match query words, in the crawl's order (of several crawls, as they were
        first met): accepted ones, unless the words ask for a ``state:`` or ``reason:``.

        Of a crawl without words it is its set: the first ``want`` of them, also where it was run
        with a larger target before, and what people accepted beyond. ``limit`` is the most that
        are given. Raises BadQuery and NotFound.
        """
        asked = list(words_of(words))
        if not any(word.removeprefix("-").startswith(("state:", "reason:")) for word in asked):
            asked.append("state:accepted")
        if crawl is not None:
            known = self._known_crawl(crawl)
            asked.append(f"crawl:{known.id}")
            if not words and known.want is not None:
                return self._set(known.id, asked, known.want)[:limit]
        with Reader(self.path) as reader:
            return list(reader.query(asked, limit=limit))

    def _set(self, crawl: str, asked: Sequence[str], want: int) -> list[AcceptedImage]:
        with Reader(self.path) as reader:
            first = list(reader.query(asked, limit=want))
            by_hand = [row for row in reader.rows(crawl) if row.reason == BY_PERSON]
            if not any(row.state == "accepted" for row in by_hand):
                return first
            here = {image.candidate_id for image in first}
            said = reader.query([*asked, f"reason:{BY_PERSON}"])
            return [*first, *(image for image in said if image.candidate_id not in here)]

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

    def stream(
        self,
        consumer: str | None = None,
        *,
        after: int | None = None,
        follow: bool = False,
        max_inflight: int = MAX_INFLIGHT,
        max_attempts: int = MAX_ATTEMPTS,
        kinds: Iterable[str] = (),
        crawl: str | None = None,
    ) -> AsyncIterator[StreamEvent]:
        """The event log in commit order, from the first event a consumer has not acknowledged.

        At least once: an event that was not acknowledged comes again. A consumer has one reader,
        and at most ``max_inflight`` events without an answer; ``after`` (a seq) is where a new one
        begins. With ``follow`` it waits for more. Raises UsageError, NotFound; when it is iterated
        what :class:`crawler.streaming.Feed` raises.
        """
        return stream(
            self.feed(
                consumer,
                after=after,
                follow=follow,
                max_inflight=max_inflight,
                max_attempts=max_attempts,
                kinds=kinds,
                crawl=crawl,
            )
        )

    def feed(
        self,
        consumer: str | None = None,
        *,
        kinds: Iterable[str] = (),
        crawl: str | None = None,
        **how: Any,
    ) -> Feed:
        """What :meth:`stream` reads, for those who take several events at once."""
        asked = Asked(frozenset(kinds), None if crawl is None else self._known_crawl(crawl).id)
        return Feed(self.path, consumer, asked=asked, **how)

    def consumer(self, name: str) -> NamedConsumer:
        """A consumer from outside: its lag and dead letters, to be rewound, retried, forgotten."""
        return NamedConsumer(self.path, name)

    def consumers(self) -> list[Consumer]:
        """All consumers by name, with their lag."""
        return every(self.path)


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


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
