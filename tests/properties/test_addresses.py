"""No private address in any disguise is a public one, and no text is a URL that leads to one."""

# ruff: noqa: PT017, SIM905 - either end is fine; lists of pieces read better as words
from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crawler.http.guard import BadUrl, Blocked, Guard, allowed, host_of

v4 = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)
v6 = st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address)

PRIVATE = [
    ipaddress.ip_network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32"),
        *("::/127", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "2001:db8::/32", "100::/64"),
    )
]
inside = st.sampled_from(PRIVATE).flatmap(
    lambda net: st.integers(0, net.num_addresses - 1).map(lambda n: net[n])
)
private_v4 = inside.filter(lambda ip: ip.version == 4)

EMBEDDED: dict[str, Callable[[int, int], int]] = {
    "compatible": lambda ip, _: ip,
    "mapped": lambda ip, _: 0xFFFF << 32 | ip,
    "nat64": lambda ip, _: 0x64FF9B << 96 | ip,
    "6to4": lambda ip, rest: 0x2002 << 112 | ip << 80 | rest % 2**80,
    "teredo client": lambda ip, rest: 0x20010000 << 96 | 0x08080808 << 64 | ip ^ 0xFFFFFFFF,
    "teredo server": lambda ip, rest: 0x20010000 << 96 | ip << 64 | 0xF7F7F7F7,
    "local nat64": lambda ip, rest: 0x64FF9B0001 << 88 | ip << 40 | rest % 2**40,
}


@given(inside)
def test_no_private_address_is_allowed(address: ipaddress.IPv4Address) -> None:
    assert not allowed(str(address))


@pytest.mark.parametrize("form", EMBEDDED)
@given(address=private_v4, rest=st.integers(0, 2**80 - 1))
def test_no_private_address_is_allowed_inside_another(
    form: str, address: ipaddress.IPv4Address, rest: int
) -> None:
    disguise = ipaddress.IPv6Address(EMBEDDED[form](int(address), rest))
    for spelling in (disguise.compressed, disguise.exploded, f"{disguise}%eth0"):
        assert not allowed(spelling)


@given(v4 | v6)
@example(ipaddress.IPv4Address("8.8.8.8"))
def test_what_is_allowed_is_a_global_unicast_address(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if allowed(str(address)):
        assert address.is_global or address in ipaddress.ip_network("64:ff9b::/96")
        assert not address.is_multicast
        assert not any(address.version == net.version and address in net for net in PRIVATE)


@given(st.lists(v4 | v6, min_size=1, max_size=5), st.booleans())
def test_one_private_answer_spoils_all(
    answers: list[ipaddress.IPv4Address | ipaddress.IPv6Address], reverse: bool
) -> None:
    spelled = [str(answer) for answer in answers]
    if all(map(allowed, spelled)):
        Guard().check_answers("example.org", 80, spelled)
    else:
        with pytest.raises(Blocked):
            Guard().check_answers("example.org", 80, spelled[:: -1 if reverse else 1])


@given(inside)
def test_no_socket_is_made_for_a_private_address(address: ipaddress.IPv4Address) -> None:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    info = (family, socket.SOCK_STREAM, 6, "", (str(address), 80))
    with pytest.raises(Blocked):
        Guard().open_socket(info)


def spellings(address: ipaddress.IPv4Address) -> list[str]:
    """How a URL may write an IPv4 address so that some resolver takes it for one."""
    a, b, c, d = address.packed
    number = int(address)
    return [
        *(str(address), str(number), hex(number), f"0{number:o}", f"{a}.{number % 2**24}"),
        *(f"{a}.{b}.{number % 2**16}", f"0x{a:x}.{b}.{c}.0{d:o}", f"{a:03}.{b:03}.{c:03}.{d:03}"),
        *(f"{address}.", f"[::ffff:{address}]", f"[::{address}]", f"[64:ff9b::{address}]"),
        *(f"[{ipaddress.IPv6Address(0xFFFF << 32 | number).exploded}]",),
        "".join(chr(0xFF10 + int(n)) if n.isdigit() else "\u3002" for n in str(address)),
    ]


@given(private_v4, st.sampled_from(["http", "https"]))
def test_every_spelling_of_a_private_address_is_no_url_or_is_blocked(
    address: ipaddress.IPv4Address, scheme: str
) -> None:
    guard = Guard()
    for spelling in spellings(address):
        try:
            url = guard.check_url(f"{scheme}://{spelling}/")
        except BadUrl:
            continue
        host = url.raw_host.decode("ascii")
        with pytest.raises(Blocked):
            assert guard.check_literal(host, 80), f"{host} would be asked of a resolver"


parts = st.sampled_from(
    [
        *"http:// https:// HTTP:// // / \\ @ : ? # % %00 %2f .. . [ ] ::1 127.0.0.1".split(),
        *"localhost a.example 80 443 8080 0x7f 0177 user:p@ \u3002 \uff0e ① xn-- xn--a é".split(),
        *("\xad", "\u200b", "\t", "\n", "\r", " "),
    ]
)


@given(st.lists(parts | st.text(max_size=3), max_size=12).map("".join))
def test_any_text_is_refused_or_a_plain_url_of_the_web(text: str) -> None:
    try:
        url = Guard().check_url(text)
    except BadUrl as error:
        assert text not in str(error) or len(text) < 5
        return
    assert isinstance(url, httpx.URL)
    assert url.scheme in ("http", "https")
    assert not url.userinfo
    host, _, port = host_of(url).rpartition(":")
    assert port in ("80", "443")
    assert host.isascii()
    assert not set(host) & set(" /\\@?#%\0\t\r\n")
