"""Equal troubles in a row: a source or a host that fails, or does not want us."""

from __future__ import annotations

from dataclasses import dataclass, field

from crawler.acquire import OUTAGE, REFUSALS
from crawler.errors import BadAnswer
from crawler.order import host_of
from storage.records import Candidate

SOURCE_TROUBLE = 20
"""Equal troubles in a row that stop the source."""


@dataclass
class Streak:
    """Counts how often in a row the same trouble came: of ``works`` or of ``pages``."""

    what: str = "works"
    trouble: str | None = None
    members: list[int] = field(default_factory=list)
    """Who it came from, as far as told."""
    doubtful: list[int] = field(default_factory=list)
    """Whose trouble stopped the run: it says more of the source than of them."""

    def after(self, trouble: str | None, who: int = 0, where: str = "") -> BadAnswer | None:
        """Note how the next one ended (None: well); returns what stops the run, if any."""
        if trouble is None or trouble != self.trouble:
            self.members = []
        self.trouble = trouble
        self.members.append(who)
        if trouble is None or len(self.members) < SOURCE_TROUBLE:
            return None
        self.doubtful = self.members
        last = f", the last at {where}" if where and where not in trouble else ""
        return BadAnswer(
            f"{SOURCE_TROUBLE} {self.what} in a row failed with {trouble}{last}",
            hint="check the connection and whether the site is up and lets you in;"
            " the same command tries these again and goes on",
        )


def trouble_of(reason: str | None, candidate: Candidate) -> str | None:
    """What counts of a work that failed so: that a host is down, or that one refuses us.

    Files that are gone, or are no pictures once they came whole, are trouble of their works alone.
    """
    if reason in OUTAGE:
        return reason
    host = place_of(candidate)
    return f"{reason} at {host}" if reason in REFUSALS and host else None


def place_of(candidate: Candidate) -> str:
    """The host of a work's file, for a person; empty for local files."""
    return host_of(candidate).rpartition("@")[2]
