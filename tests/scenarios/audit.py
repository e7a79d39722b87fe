"""What must hold after any crawl, whatever went wrong at the site: judged by its own ledger."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl

from crawler.demo.ledger import Entry, Ledger
from crawler.demo.posts import Media, Post, World
from crawler.demo.site import DemoSite
from storage.reasons import STATES
from tests.scenarios.driver import CONTACT
from tests.scenarios.outcome import Outcome, assert_sound, outcome, rows, sha256, stored_files

ON_THE_WAY = 0.25
"""Seconds within which other workers may not have heard yet what one of them was answered."""
TICK = 0.05
"""Seconds by which the server's note of an answer's end may come late."""
HARMLESS = {None, "Delay", "Drip", "CloseDelimited", "Informational", "IgnoreRange", "Hops"}
"""Faults under which a file that is sent completely is the right one."""
FOR_OWN_ORIGIN = {"login", "api_key", "password", "token"}


def audit(
    workspace: Path,
    site: DemoSite,
    obtainable: Collection[int],
    *,
    elsewhere: Sequence[DemoSite] = (),
    rate: float | None = None,
) -> Outcome:
    """Check everything after a crawl of ``site`` and return what it came to.

    ``obtainable`` are the ids of the posts that belong into the set; ``elsewhere`` are further
    sites that were allowed; ``rate`` is requests per second and host.
    """
    found = outcome(workspace)
    assert_sound(workspace)
    assert_arrived(found, obtainable)
    assert_true_bytes(workspace, found, site.world)
    assert_one_state_each(workspace)
    ledgers = [one.ledger for one in (site, *elsewhere)]
    for ledger in ledgers:
        assert_nobody_early(ledger)
        assert_honest(ledger)
    assert_sent_once(ledgers)
    assert_nothing_secret_abroad(site, ledgers)
    if rate is not None:
        assert_rate(ledgers, rate)
    return found


def assert_arrived(found: Outcome, obtainable: Collection[int]) -> None:
    """Exactly the files that could be had are in the set."""
    wanted, arrived = {str(post_id) for post_id in obtainable}, set(found.accepted)
    facts = found.facts
    lost = {i: facts[i].ending if i in facts else "never listed" for i in wanted - arrived}
    assert lost == {}, f"lost although they could be had: {lost}"
    assert arrived <= wanted, f"accepted although they could not be had: {arrived - wanted}"


def assert_true_bytes(workspace: Path, found: Outcome, world: World) -> None:
    """What was accepted is what the site holds, byte for byte; nothing else is kept."""
    posts = {str(post.id): post for post in world.posts}
    truth = {site_id: sha256(_media(posts[site_id]).read()) for site_id in found.accepted}
    facts = found.facts
    wrong = [site_id for site_id, right in truth.items() if facts[site_id].sha256 != right]
    assert wrong == [], f"accepted with wrong bytes: {wrong}"
    unknown = set(stored_files(workspace)) - set(truth.values())
    if unknown:
        unknown -= {sha256(_media(post).read()) for post in world.posts}
    assert unknown == set(), f"kept although no post has these bytes: {unknown}"


def _media(post: Post) -> Media:
    return post.replacement or post.media


def assert_one_state_each(workspace: Path) -> None:
    """Every candidate has exactly one state in its crawl, with a reason where it is not good."""
    counted = Counter(
        (r["site_id"], r["crawl_id"])
        for r in rows(
            workspace,
            "SELECT c.site_id, w.crawl_id FROM candidates c"
            " LEFT JOIN works w ON w.candidate_id = c.id",
        )
    )
    assert [who for who, n in counted.items() if n != 1 or who[1] is None] == []
    for row in rows(workspace, "SELECT state, reason, candidate_id FROM works"):
        assert row["state"] in STATES, tuple(row)
        told = row["reason"] is not None
        assert told == (row["state"] not in ("accepted", "pending", "waiting")), tuple(row)
    total = rows(workspace, "SELECT coalesce(sum(works), 0) FROM reasons")[0][0]
    assert total == rows(workspace, "SELECT count(*) FROM works")[0][0]


def early(ledger: Ledger, on_the_way: float = ON_THE_WAY) -> list[Entry]:
    """Requests to a host that had told us to stay away.

    Who was told asks for that URL again, so it certainly had heard; others had not for a moment.
    """
    found = []
    for answer in ledger:
        if answer.retry_after is None:
            continue
        over = answer.end + answer.retry_after - TICK
        for entry in ledger.requests(host=answer.host):
            since = answer.start if entry.url == answer.url else answer.end + on_the_way
            if since < entry.start < over:
                found.append(entry)
    return found


def assert_nobody_early(ledger: Ledger, on_the_way: float = ON_THE_WAY) -> None:
    """No request came to a host before the time it had told was over."""
    came = [(e.host, e.path, e.start) for e in early(ledger, on_the_way)]
    assert came == [], f"{len(came)} requests before Retry-After ended: {came[:3]}"


def assert_honest(ledger: Ledger) -> None:
    """Every request says who asks."""
    agents = {entry.user_agent for entry in ledger}
    assert all(agent and agent.startswith("trawl/") and CONTACT in agent for agent in agents)


def assert_sent_once(ledgers: Iterable[Ledger]) -> None:
    """No original was asked for again after it had been sent as it is."""
    sent: Counter[str] = Counter()
    for ledger in ledgers:
        for entry in ledger.originals():
            whole = entry.completed and entry.status in (200, 206) and entry.sent > 0
            sent[entry.path] += whole and entry.fault in HARMLESS
    again = {path: n for path, n in sent.items() if n > 1}
    assert again == {}, f"sent completely more than once without cause: {again}"


def assert_rate(ledgers: Iterable[Ledger], rate: float) -> None:
    """No host met more requests within a second than its rate allows."""
    for ledger in ledgers:
        for host in {entry.host for entry in ledger}:
            # One more fits between two ticks, and one may have been held up on the way.
            most = ledger.most_in(1.0, host=host)
            assert most <= rate + 2, f"{most} requests in one second at {host}"


def assert_nothing_secret_abroad(site: DemoSite, ledgers: Iterable[Ledger]) -> None:
    """Only the API's own origin ever meets a login; cookies and referers go nowhere."""
    home = site.base_url.removeprefix("http://")
    for ledger in ledgers:
        for entry in ledger:
            assert "Cookie" not in entry.headers, f"a cookie at {entry.url}"
            assert "Referer" not in entry.headers, f"a referer at {entry.url}"
            if entry.host != home:
                assert not entry.authorization, f"a login at {entry.url}"
                names = {name.lower() for name, _ in parse_qsl(entry.query)}
                assert not names & FOR_OWN_ORIGIN, f"a login in the URL at {entry.url}"


class Canary:
    """A loopback port that nobody may ever connect to."""

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    @property
    def visits(self) -> int:
        """Connections since the last look: the kernel accepts them although we never did."""
        count = 0
        with suppress(BlockingIOError):
            while True:
                self._listener.accept()[0].close()
                count += 1
        return count
