"""Which transport carries the requests of a session, by the settings."""

from __future__ import annotations

import httpx

from crawler.http.guard import Guard
from crawler.http.transport import Transport
from crawler.site import Credentials, Net


def make_transport(
    net: Net, guard: Guard, proxy_login: Credentials | None = None
) -> httpx.AsyncBaseTransport:
    """The guarded transport of the settings, made inside the running loop.

    Raises ConfigError for a proxy that cannot be.
    """
    return Transport(guard, connections=net.connections, connect_timeout=net.connect_timeout)
