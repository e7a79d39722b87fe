"""Which transport carries the requests of a session, by the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crawler.http.guard import Guard
from crawler.http.transport import Transport
from crawler.site import Credentials, Net

if TYPE_CHECKING:
    from crawler.http.stock import StockTransport


def make_transport(
    net: Net, guard: Guard, proxy_login: Credentials | None = None
) -> Transport | StockTransport:
    """The guarded transport of the settings, made inside the running loop.

    Its ``connections`` are the sockets it opens at most, which may be fewer than the settings say.
    A proxy is spoken to by the stock transport, whatever ``net.transport`` says. Raises ConfigError
    for a proxy that cannot be.
    """
    if not net.proxy and net.transport != "httpx":
        return Transport(guard, connections=net.connections, connect_timeout=net.connect_timeout)
    # Loaded where they are used: httpcore and anyio are of no use to most runs.
    from crawler.http.proxy import Proxy
    from crawler.http.stock import StockTransport

    return StockTransport(
        guard,
        connections=net.connections,
        connect_timeout=net.connect_timeout,
        proxy=Proxy.parse(net.proxy, proxy_login) if net.proxy else None,
    )
