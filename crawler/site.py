"""What the crawl knows of the network and of one site instance: settings as plain values."""

from __future__ import annotations

from dataclasses import dataclass

VERSION = "0.1.0"


@dataclass(frozen=True)
class Credentials:
    """A login bound to one origin. Never printed, never stored in the catalog."""

    login: str
    api_key: str

    def __repr__(self) -> str:
        return "Credentials(***)"


@dataclass(frozen=True)
class Site:
    """One instance of a source: ``[sites.NAME]`` in the settings."""

    name: str
    adapter: str
    """The source whose software the site runs, for a site of your own."""
    base_url: str = ""
    """Where the site is, without a slash at the end; empty for local sources."""
    rate: float = 1.0
    """Requests a second, for each host of the site."""
    connections: int = 4
    """Files of one host that are fetched at once."""
    credentials: Credentials | None = None


@dataclass(frozen=True)
class Net:
    """``[net]``: who we are and what the network may do to us."""

    contact: str = ""
    """Mail address, URL or site user id; part of the User-Agent."""
    allow_hosts: frozenset[str] = frozenset()
    """``host:port`` pairs that may be private or loopback addresses, or use an unusual port."""
    max_file_bytes: int = 200_000_000
    """Bytes of one file at most; larger ones are ``too_big``."""
    max_answer_bytes: int = 16_000_000
    """Bytes of one answer of an API at most."""
    connect_timeout: float = 10.0
    """Seconds for a connection to be made."""
    read_timeout: float = 30.0
    """Seconds of silence after which an answer is given up."""
    total_timeout: float = 600.0
    """Seconds for one file, from the first byte asked to the last received."""
    min_rate: float = 1024.0
    """Bytes per second, over ten seconds, under which a transfer is given up."""
    min_rate_window: float = 10.0
    """Seconds over which ``min_rate`` is measured."""
    attempts: int = 4
    """Tries of one request before its trouble counts as final."""
    max_wait: float = 3600.0
    """Seconds of Retry-After we wait by ourselves; longer parks the host and ends the run (8)."""
    connections: int = 64
    """Sockets open at once, over all hosts."""
    retry_first: float = 0.5
    """Seconds before a failed request is tried again; doubled, with jitter, each further time."""
    retry_longest: float = 8.0
    """Seconds that this doubling ends at."""
    transport: str = "aiohttp"
    """What carries the requests: ``aiohttp`` (ours, fast) or ``httpx`` (the stock one)."""
    proxy: str = ""
    """``http://host:port`` of an HTTP proxy. The proxies of the environment are ignored."""
    retry_share: float = 0.1
    """Share of a host's requests over a minute that may be second tries."""
    retry_floor: float = 60.0
    """Second tries a minute that every host is allowed, however few its requests (1 at least)."""
    breaker_after: int = 5
    """Failures of a host in a row (no connection, no answer, 5xx) after which it is only probed."""
    breaker_patience: int = 20
    """Failed probes in a row after which a host is given up for this run."""
    breaker_longest: float = 8.0
    """Seconds between probes at most; from ``cooldown_first`` on they double."""
    resume_from: int = 4_000_000
    """Bytes from which on a broken download goes on where it stopped, if its version is certain."""
    cooldown_first: float = 2.0
    """Seconds a host is left alone after a 429 without Retry-After; doubled while it goes on."""

    @property
    def user_agent(self) -> str:
        """Our own name, version and contact: what sites ask of an honest client."""
        contact = f" ({self.contact})" if self.contact else ""
        return f"trawl/{VERSION}{contact}"
