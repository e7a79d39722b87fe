"""The guard: no spelling of a private address is ever reached, unless the user allowed it."""

# ruff: noqa: SIM905 - lists of addresses read better as words
from __future__ import annotations

import ipaddress
import socket

import httpx
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st

from crawler.http.guard import (
    BadUrl,
    Blocked,
    BlockedAddress,
    Guard,
    GuardedResolver,
    allowed,
    host_of,
    pair_of,
    shown_host,
)
from tests.crawler.http.server import Server, reply
from tests.crawler.http.transports import KINDS, client_of, made
from tests.crawler.http.wire import Canary, Wire


@pytest.mark.parametrize(
    "address",
    """
    0.0.0.0 10.1.2.3 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 168.63.129.16
    169.254.169.254 172.16.0.1 192.0.0.8 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 203.0.113.9
    224.0.0.1 240.0.0.1 255.255.255.255 :: ::1 ::127.0.0.1 ::10.0.0.1 ::ffff:127.0.0.1
    ::ffff:169.254.169.254 64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::808:808 100::1 2001:db8::1
    2001:0:808:808::3fff:fdfe 2002:7f00:1:: 2002:c0a8:1:: 3fff::1 5f00::1 fc00::1 fd12::1 fe80::1
    fe80::1%eth0 fec0::1 ff02::1 ff0e::1
    """.split(),
)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    assert not allowed(address)


@pytest.mark.parametrize(
    "address",
    "8.8.8.8 1.1.1.1 93.184.215.14 2606:4700::1111 2001:4860:4860::8888 ::ffff:8.8.8.8 "
    "64:ff9b::808:808 2002:808:808::1".split(),
)
def test_public_addresses_are_allowed(address: str) -> None:
    assert allowed(address)


@given(st.ip_addresses(v=4))
def test_an_ipv6_disguise_changes_nothing(v4: ipaddress.IPv4Address) -> None:
    low = int(v4)
    for disguise in (0xFFFF << 32 | low, 0x64FF9B << 96 | low, 0x2002 << 112 | low << 80, low):
        assert allowed(str(ipaddress.IPv6Address(disguise))) == allowed(str(v4))


SPECIAL = [
    ipaddress.ip_network(network)
    for network in """
        0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24
        192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24
        224.0.0.0/4 240.0.0.0/4 ::/128 ::1/128 64:ff9b:1::/48 100::/64 2001:db8::/32 3fff::/20
        5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8
    """.split()
]
"""IANA's special-purpose addresses that are no public unicast."""

WEB = [ipaddress.ip_network(n) for n in ("8.0.0.0/8", "93.184.0.0/16", "2606:4700::/32")]


@given(st.one_of([st.ip_addresses(network=network) for network in SPECIAL]), st.booleans())
def test_no_special_purpose_address_is_allowed(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, long: bool
) -> None:
    assert not allowed(address.exploded if long else str(address))


@given(st.one_of([st.ip_addresses(network=network) for network in WEB]), st.booleans())
def test_addresses_of_the_web_are_allowed(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, long: bool
) -> None:
    assert allowed(address.exploded if long else str(address))


@given(st.ip_addresses(), st.from_regex(r"(%[a-z0-9]{1,8})?", fullmatch=True))
def test_every_address_has_an_answer_whatever_its_zone(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, zone: str
) -> None:
    assert allowed(f"{address}{zone if address.version == 6 else ''}") is allowed(str(address))


FORMS = ("{:d}", "{:#x}", "0{:o}", "{:08d}", "{:03d}")


@given(
    st.ip_addresses(v=4),
    st.integers(1, 4),
    st.lists(st.sampled_from(FORMS), min_size=4, max_size=4),
    st.sampled_from(["", "."]),
)
def test_other_spellings_of_ipv4_are_not_opened_at_all(
    address: ipaddress.IPv4Address, parts: int, forms: list[str], dot: str
) -> None:
    """One to four parts, each decimal, hexadecimal or octal, as ``inet_aton`` reads them."""
    heads, rest = address.packed[: parts - 1], int.from_bytes(address.packed[parts - 1 :], "big")
    numbers = [*heads, rest]
    host = ".".join(form.format(n) for form, n in zip(forms, numbers, strict=False)) + dot
    if host == str(address):
        assert Guard().check_url(f"http://{host}/").host == host
    else:
        with pytest.raises(BadUrl):
            Guard().check_url(f"http://{host}/")


SPELLINGS = (
    "127.0.0.1 2130706433 0x7f000001 0x7f.1 0177.0.0.1 017700000001 127.1 127.0.1 0 0.0.0.0 "
    "localhost LOCALHOST localhost. [::1] [::] [::ffff:127.0.0.1] [::ffff:7f00:1] [::127.0.0.1] "
    "[0:0:0:0:0:0:0:1] 127.0.0.1. 127.000.000.001 169.254.169.254 2852039166 10.0.0.1 "
    "[64:ff9b::7f00:1] [2002:7f00:1::]"
).split()


@pytest.mark.parametrize("kind", KINDS)
async def test_by_default_no_spelling_of_a_private_address_is_reached(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below the rules for URLs, which would refuse most of these."""
    async with Canary() as canary:
        wire = Wire(canary).lay(monkeypatch)
        for host in SPELLINGS:
            async with client_of(made(kind)) as client:
                with pytest.raises((httpx.TransportError, httpx.InvalidURL)):
                    await client.get(f"http://{host}/")
        assert (canary.reached, wire.tried) == (0, [])


@pytest.mark.parametrize("kind", KINDS)
async def test_the_caller_is_told_that_the_address_was_blocked(kind: str) -> None:
    async with client_of(made(kind)) as client:
        for host in ("127.0.0.1", "[::1]", "localhost"):
            with pytest.raises(BlockedAddress, match="not public"):
                await client.get(f"http://{host}/")


@pytest.mark.parametrize("kind", KINDS)
async def test_an_allowed_pair_is_reached_and_nothing_beside_it(kind: str) -> None:
    async with Server() as server, Server() as other:
        server.on("/", reply(b"ok"))
        async with client_of(made(kind, f"localhost:{server.port}")) as client:
            assert (await client.get(f"http://localhost:{server.port}/")).content == b"ok"
            # Not even the same service by its address.
            with pytest.raises(BlockedAddress):
                await client.get(server.url("/"))
        async with client_of(made(kind, server.host)) as client:
            assert (await client.get(server.url("/"))).content == b"ok"
            with pytest.raises(BlockedAddress):
                await client.get(other.url("/"))
        assert other.connections == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1"])
def test_no_socket_is_made_for_a_private_address_whoever_resolved_it(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    info = (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, 80))
    with pytest.raises(Blocked, match="not public"):
        Guard().open_socket(info)
    Guard({f"[{address}]:80"}).open_socket(info).close()


class Names(AbstractResolver):
    """Answers every name with the same addresses."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        return None


@pytest.mark.parametrize(
    "addresses", [("8.8.8.8", "127.0.0.1"), ("127.0.0.1", "8.8.8.8"), ("::1",), ("8.8.8.8", "::1")]
)
async def test_one_private_answer_spoils_a_name(addresses: tuple[str, ...]) -> None:
    resolver = GuardedResolver(Guard(), Names(*addresses))
    with pytest.raises(OSError, match="not public"):
        await resolver.resolve("example.org", 80)


async def test_a_name_with_public_answers_resolves() -> None:
    resolver = GuardedResolver(Guard(), Names("8.8.8.8", "2606:4700::1111"))
    answers = await resolver.resolve("example.org", 80)
    assert [answer["host"] for answer in answers] == ["8.8.8.8", "2606:4700::1111"]


async def test_an_allowed_address_does_not_open_the_door_to_other_names() -> None:
    resolver = GuardedResolver(Guard({"127.0.0.1:80"}), Names("127.0.0.1"))
    with pytest.raises(OSError, match="not public"):
        await resolver.resolve("rebinding.example.org", 80)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/a.png",
        "file:///etc/passwd",
        "gopher://example.org/",
        "data:image/png;base64,AAAA",
        "//example.org/a.png",
        "example.org/a.png",
        "",
        "http://",
        "http:///a.png",
        "http://user@example.org/",
        "http://user:pass@example.org/",
        "http://example.org\\@evil.example/",
        "http://exa mple.org/",
        "http://example.org:8080/",
        "http://example.org:22/",
        "http://example.org:0/",
        "http://example.org:99999/",
        "http://example.org/\r\nX-Evil: 1",
        "http://example.org/\x00",
        "http://example.org/\u202egnp.exe",
        "http://example..org/",
        "http://" + "a" * 64 + ".org/",
        "http://example.org/" + "a" * 4096,
        "http://[::1/",
        "http://exam%70le.org/",
    ],
)
def test_urls_we_never_open(url: str) -> None:
    with pytest.raises(BadUrl):
        Guard().check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org",
        "https://example.org:443/a.png",
        "http://example.org:443/",
        "https://cdn.example.org/a%2fb.png?sig=%2B%3D#x",
        "https://bücher.example/ü.png",
        "https://example.org/two words.png",
        "http://my_host.example.org./",
    ],
)
def test_urls_of_the_web_are_fine(url: str) -> None:
    assert Guard().check_url(url).scheme in ("http", "https")


@pytest.mark.parametrize(
    ("host", "spellings"),
    [
        (
            "example.org:443",
            "http://Example.org/ https://example.org./a http://EXAMPLE.org:80/"
            " https://example.org http://example.org:443/ https://example.org:80/",
        ),
        (
            "[2606:4700::1]:443",
            "http://[2606:4700::1]/ https://[2606:4700:0::1]/ https://[2606:4700:0:0:0:0:0:1]/",
        ),
        ("93.184.216.34:443", "http://93.184.216.34/ https://93.184.216.34/"),
    ],
)
def test_one_host_has_one_name_for_politeness(host: str, spellings: str) -> None:
    assert {host_of(Guard().check_url(url)) for url in spellings.split()} == {host}


def test_servers_on_other_ports_are_hosts_of_their_own() -> None:
    guard = Guard({"localhost:3000", "localhost:3001"})
    urls = ("http://localhost:3000/", "http://localhost:3001/", "http://localhost/")
    assert len({host_of(guard.check_url(url)) for url in urls}) == 3


def test_the_allow_list_tells_http_and_https_apart() -> None:
    url = Guard().check_url("http://[::1]/")
    assert (host_of(url), pair_of(url)) == ("[::1]:443", "[::1]:80")
    guard = Guard({pair_of(url)})
    guard.check_literal("::1", 80)
    with pytest.raises(OSError, match="not public"):
        guard.check_literal("::1", 443)


def test_messages_name_a_port_only_where_it_is_unusual() -> None:
    assert shown_host("example.org:443") == "example.org"
    assert shown_host("localhost:3000") == "localhost:3000"
    assert shown_host("localhost:4443") == "localhost:4443"


def test_an_allowed_pair_may_use_an_unusual_port() -> None:
    guard = Guard({"localhost:3000", "[::1]:3000"})
    assert guard.check_url("http://LOCALHOST:3000/").port == 3000
    assert guard.check_url("http://[::1]:3000/").port == 3000
    with pytest.raises(BadUrl):
        guard.check_url("http://localhost:3001/")


@given(st.text())
def test_no_text_breaks_the_url_rules(text: str) -> None:
    for url in (text, f"http://{text}", f"https://example.org/{text}"):
        try:
            parsed = Guard().check_url(url)
        except BadUrl:
            continue
        assert parsed.scheme in ("http", "https")
        assert not parsed.userinfo


@pytest.mark.parametrize("entry", ["localhost", "localhost:", ":80", "localhost:http", "h:70000"])
def test_an_allow_list_entry_without_host_and_port_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        Guard({entry})
