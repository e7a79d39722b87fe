"""Running an engine with everything it needs: lock, writer, files, network, decoders."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from crawler.carry import Tools
from crawler.engine import Engine
from crawler.errors import ConfigError, StorageError
from crawler.http.session import Session
from crawler.inspection import Inspector
from crawler.limits import works_at_once
from crawler.run import Summary
from crawler.settings import Settings
from crawler.site import Site
from crawler.stats import Stats
from crawler.user_state import hosts_file
from filters.policy import PolicyError
from storage import crawls, purge, stopping, workspace
from storage.disk import in_our_words
from storage.files import FileStore, total_bytes
from storage.hosts import HostCooldowns
from storage.lock import EngineLock
from storage.platform import raise_descriptor_limit
from storage.reader import Reader
from storage.writer import Writer

LISTING_TRIES = 3
"""Further tries of a page that could not be had, each after four times the wait before it."""
LONGEST_LISTING_WAIT = 30.0
"""Seconds before one of them at most."""


async def execute(path: Path, settings: Settings, site: Site, engine: Engine) -> Summary:
    """Run an engine under the lock of the workspace ``path``.

    Raises WorkspaceLocked, NewerCatalog, NoSpace, ConfigError where the policy names files that
    have changed, and what :meth:`Engine.run` raises.
    """
    async with AsyncExitStack() as stack:
        with in_our_words(path):
            path.mkdir(parents=True, exist_ok=True)
            stack.enter_context(EngineLock(path))
            writer, store, strays = await _catalog(path, stack)
        if strays:
            engine.teller.warn(purge.strays_told(strays))
        at_once, settings = _as_descriptors_allow(settings, engine)
        rules = engine.request.rules
        try:
            inspector = Inspector(
                rules.judge,
                max_pixels=rules.policy["resolution"].max_pixels,
                suspects=store.suspects,
                policy=rules.policy,
            )
        except PolicyError as error:
            raise ConfigError(str(error)) from error
        stack.callback(inspector.close)
        session = await stack.enter_async_context(
            open_session(settings, engine.stats, engine.report)
        )
        tools = Tools(
            writer=writer,
            store=store,
            reader=stack.enter_context(Reader(path)),
            http=session.site(site),
            inspector=inspector,
            concurrency=at_once,
            min_free=_min_free(settings, path),
            rejected_budget=settings.storage.rejected_budget,
            max_file_bytes=settings.net.max_file_bytes,
            listing_waits=_listing_waits(settings),
        )
        summary = await engine.run(tools)
        if not isinstance(summary.error, StorageError):  # on a full disk there is no room for it
            await writer.do(purge.mark_clean)
        return summary


async def _catalog(path: Path, stack: AsyncExitStack) -> tuple[Writer, FileStore, int]:
    """The catalog and the files of a workspace, cleared of what a killed run left, and of what it
    was asked; how many files were set aside, since the catalog does not know them.
    """
    writer = Writer(
        path / workspace.CATALOG,
        checkpoint=True,
        before_commit=purge.follow_clock,
        after_commit=lambda db: purge.remove_doomed(db, store),
    )
    await writer.start()  # first: a newer catalog is left with all that is beside it
    stack.push_async_callback(writer.close)
    store = FileStore(path)

    def clear_up(db: sqlite3.Connection) -> int:
        stopping.take(db)  # a request of before is not meant for this run
        crawls.end_killed(db)  # under the lock nothing else runs
        return purge.tidy(db, store)

    return writer, store, await writer.do(clear_up)


def _as_descriptors_allow(settings: Settings, engine: Engine) -> tuple[int, Settings]:
    """How many works may be on their way, and the settings with sockets to match."""
    wanted, descriptors = settings.limits.concurrency, raise_descriptor_limit()
    at_once = works_at_once(wanted, descriptors)
    if at_once == wanted:
        return wanted, settings
    engine.teller.warn(
        f"this process may have {descriptors} files and sockets open (ulimit -n), so it keeps"
        f" {at_once} on their way at once, not {wanted}"
    )
    # One more than works: the listing goes on beside them.
    net = replace(settings.net, connections=min(settings.net.connections, at_once + 1))
    return at_once, replace(settings, net=net)


@asynccontextmanager
async def open_session(
    settings: Settings, stats: Stats, notify: Callable[[dict[str, Any]], None] | None = None
) -> AsyncIterator[Session]:
    """All network traffic of one run; what hosts ask of us outlives it."""
    cooldowns = HostCooldowns(hosts_file())
    login = settings.proxy_login
    async with Session(settings.net, stats, cooldowns, notify, proxy_login=login) as session:
        yield session


def _min_free(settings: Settings, path: Path) -> int:
    if settings.limits.min_free is not None:
        return settings.limits.min_free
    return min(1 << 30, total_bytes(path) // 20)


def _listing_waits(settings: Settings) -> tuple[float, ...]:
    first = settings.net.retry_first
    waits = (first * 4**number for number in range(1, LISTING_TRIES + 1))
    return tuple(min(wait, LONGEST_LISTING_WAIT) for wait in waits)
