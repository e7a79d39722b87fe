"""A consumer of the event log."""

from __future__ import annotations

from collections.abc import Sequence

from storage.records import Event


class Follower:
    """Holds what the event log tells it, and remembers no more than what it has acknowledged."""

    def __init__(self) -> None:
        self.seen = 0
        self.held: frozenset[tuple[str, str]] = frozenset()
        self.acknowledged = (0, self.held)

    def hear(self, events: Sequence[Event]) -> None:
        held = set(self.held)
        for event in events:
            self.seen = event.seq
            if event.kind == "accepted":
                assert event.crawl_id is not None
                assert event.sha256 is not None
                assert (event.crawl_id, event.sha256) not in held, "told twice"
                held.add((event.crawl_id, event.sha256))
            elif event.kind == "retracted":
                gone = {(c, s) for c, s in held if s == event.sha256}
                held -= {g for g in gone if event.crawl_id in (None, g[0])}
        self.held = frozenset(held)

    def forget(self) -> None:
        """Its own process died, too: it goes on from what it acknowledged."""
        self.seen, self.held = self.acknowledged
