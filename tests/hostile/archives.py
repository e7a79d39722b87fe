"""Evil zips, made brick by brick: whatever a writer of zips would not write."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.hostile.build import sound

ZIP64_END = b"PK\6\6" + struct.pack("<Q", 44) + bytes(44)
ZIP64_LOCATOR = b"PK\6\7" + bytes(16)


@dataclass(frozen=True)
class Member:
    """One entry. ``said`` fields stand in the headers in place of what is true."""

    name: bytes
    data: bytes
    deflated: bool = False
    flags: int = 0
    method: int | None = None
    mode: int = 0
    extra: bytes = b""
    said_size: int | None = None
    said_packed: int | None = None
    said_crc: int | None = None
    local_name: bytes | None = None
    local_size: int | None = None
    descriptor: bytes = b""
    offset: int | None = None
    before: bytes = b""
    """What lies before its header."""

    @property
    def packed(self) -> bytes:
        if not self.deflated:
            return self.data
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        return packer.compress(self.data) + packer.flush()

    def facts(self, size: int | None) -> tuple[int, int, int, int, int, int]:
        return (
            self.flags,
            self.method if self.method is not None else 8 if self.deflated else 0,
            0x21 << 16,  # the first of January 1980
            zlib.crc32(self.data) if self.said_crc is None else self.said_crc,
            len(self.packed) if self.said_packed is None else self.said_packed,
            len(self.data) if size is None else size,
        )


def archive(
    *members: Member,
    comment: bytes = b"",
    before_end: bytes = b"",
    count: int | None = None,
    disk: int = 0,
    shift: int = 0,
    prefix: bytes = b"",
    suffix: bytes = b"",
) -> bytes:
    """A zip of these members with these lies about its directory."""
    body, directory = prefix, b""
    for member in members:
        body += member.before
        at = len(body) if member.offset is None else member.offset
        described = bool(member.flags & 8)
        size = member.said_size if member.local_size is None else member.local_size
        local = member.facts(size)
        if described:
            local = (*local[:3], 0, 0, 0)
        name = member.local_name or member.name
        body += b"PK\3\4" + struct.pack("<HHHIIIIHH", 20, *local, len(name), 0) + name
        body += member.packed + member.descriptor
        directory += b"PK\1\2" + struct.pack(
            "<HHHHIIIIHHHHHII",
            *(0x031E, 20, *member.facts(member.said_size)),
            *(len(member.name), len(member.extra), 0, 0, 0, member.mode << 16, at),
        )
        directory += member.name + member.extra
    number = len(members) if count is None else count
    end = struct.pack("<HHHHIIH", disk, disk, number, number, len(directory), len(body) + shift,
                      len(comment))  # fmt: skip
    return body + directory + before_end + b"PK\5\6" + end + comment + suffix


def frame(number: int, **more: object) -> Member:
    member = Member(b"%06d.jpg" % number, sound("JPEG", seed=number + 1))
    return replace(member, **more)


def frames(count: int = 3) -> list[Member]:
    return [frame(number) for number in range(count)]


def _described(member: Member, size: int) -> Member:
    values = struct.pack("<III", zlib.crc32(member.data), size, size)
    return replace(member, flags=8, descriptor=b"PK\7\10" + values)


def _shared() -> bytes:
    """Many names for the same bytes: each entry points to the first one's header."""
    first = frame(0)
    others = (replace(frame(n), data=b"", offset=0, said_size=len(first.data),
                      said_packed=len(first.data), said_crc=zlib.crc32(first.data))
              for n in range(1, 200))  # fmt: skip
    return archive(first, *others)


def _quine_like() -> bytes:
    """Each entry's data reaches over the header of the next, as the densest zip bombs do."""
    bomb = Member(b"000001.png", bytes(20_000), deflated=True)
    inner = archive(bomb)[: -22 - 56]
    return archive(Member(b"000000.png", inner), replace(bomb, before=b"", offset=40))


HONEST = {
    "stored": lambda: archive(*frames()),
    "deflated": lambda: archive(*(replace(m, deflated=True) for m in frames())),
    "of PNGs": lambda: archive(Member(b"000000.png", sound("PNG"))),
    "with a comment": lambda: archive(*frames(), comment=b"made by somebody"),
    "with descriptors": lambda: archive(*(_described(m, len(m.data)) for m in frames())),
    "out of order": lambda: archive(*reversed(frames())),
}
"""Archives that are fine."""

EVIL: dict[str, Callable[[], bytes]] = {
    "a member that climbs": lambda: archive(*frames(), Member(b"../000009.jpg", b"x")),
    "an absolute path": lambda: archive(*frames(), Member(b"/etc/000009.jpg", b"x")),
    "a member in a folder": lambda: archive(*frames(), Member(b"deep/000009.jpg", b"x")),
    "a folder": lambda: archive(*frames(), Member(b"000009/", b"")),
    "a script": lambda: archive(*frames(), Member(b"run.sh", b"x")),
    "a name with a null": lambda: archive(*frames(), Member(b"000009.jpg\0.sh", b"x")),
    "a name with a line end": lambda: archive(*frames(), Member(b"000009.jpg\n", b"x")),
    "digits of another script": lambda: archive(
        *frames(), Member("٠٠٠٠٠٩.jpg".encode(), b"x", flags=0x800)
    ),
    "a symbolic link": lambda: archive(*frames(), frame(9, mode=0o120777)),
    "a device": lambda: archive(*frames(), frame(9, mode=0o060666)),
    "encrypted": lambda: archive(*frames(), frame(9, flags=1)),
    "strongly encrypted": lambda: archive(*frames(), frame(9, flags=0x41)),
    "packed by bzip2": lambda: archive(*frames(), frame(9, method=12)),
    "packed by no method": lambda: archive(*frames(), frame(9, method=99)),
    "a name twice": lambda: archive(*frames(), frame(1)),
    "one member under many names": _shared,
    "members inside each other": _quine_like,
    "something between the members": lambda: archive(*frames(), frame(9, before=b"hidden")),
    "something before the first": lambda: archive(*frames(), prefix=b"PK\3\4" + bytes(60)),
    "something behind its end": lambda: archive(*frames(), suffix=b"PK\5"),
    "a comment longer than it is": lambda: archive(*frames(), comment=b"abc")[:-1],
    "another end in its comment": lambda: archive(
        *frames(), comment=archive(frame(7), comment=b"")
    ),
    "a bomb": lambda: archive(Member(b"000000.png", bytes(9_000_000), deflated=True)),
    "3,000 members": lambda: archive(*(Member(b"%06d.jpg" % n, b"") for n in range(3_000))),
    "says more than 1 GB": lambda: archive(
        *(Member(b"%06d.png" % n, b"x" * 9_000_000, said_size=1_100_000_000) for n in range(1))
    ),
    "says less than it holds": lambda: archive(
        Member(b"000000.png", bytes(5_000), deflated=True, said_size=900)
    ),
    "says more than it holds": lambda: archive(
        Member(b"000000.png", sound("PNG"), deflated=True, said_size=90_000)
    ),
    "reaches into the directory": lambda: archive(frame(0, said_packed=5_000, said_size=5_000)),
    "says 4 GB": lambda: archive(frame(0, said_packed=0xFFFFFFFF, said_size=0xFFFFFFFF)),
    "two sizes": lambda: archive(frame(0), frame(1, local_size=7)),
    "two names": lambda: archive(frame(0), frame(1, local_name=b"000009.jpg")),
    "a descriptor that lies": lambda: archive(_described(frame(0), 7), frame(1)),
    "a descriptor that is not there": lambda: archive(frame(0, flags=8), frame(1)),
    "a wrong checksum": lambda: archive(frame(0), frame(1, said_crc=7)),
    "zip64 fields": lambda: archive(frame(0, extra=b"\1\0\x08\0" + bytes(8))),
    "a zip64 end": lambda: archive(frame(0), before_end=ZIP64_END + ZIP64_LOCATOR),
    "65,535 members by its end": lambda: archive(frame(0), count=0xFFFF),
    "more members by its end": lambda: archive(*frames(), count=4),
    "fewer members by its end": lambda: archive(*frames(), count=2),
    "one of two disks": lambda: archive(frame(0), disk=1),
    "a directory elsewhere": lambda: archive(frame(0), shift=4),
    "no member": lambda: b"PK\3\4" + bytes(26) + b"000000.jpg" + b"PK\5\6" + bytes(18),
    "no end": lambda: archive(*frames())[:-30],
    "its start alone": lambda: archive(*frames())[:64],
    "a first frame that is no picture": lambda: archive(Member(b"000000.jpg", b"<html>"), frame(1)),
    "a first frame that is an ugoira": lambda: archive(
        Member(b"000000.jpg", archive(*frames())), frame(1)
    ),
    "a first frame of another format": lambda: archive(Member(b"000000.jpg", sound("GIF"))),
}
"""Archives that must be refused."""
