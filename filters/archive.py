"""The frames of an ugoira: numbered pictures in a zip, read in memory and never extracted.

Only what such archives need is allowed; whatever could make two readers disagree is refused.
Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from filters.limits import PictureError

_NAME = re.compile(r"\d{6}\.(?:jpg|png)", re.ASCII)
_END = struct.Struct("<4s4H2LH")
_LOCAL = struct.Struct("<4s5H3L2H")
_ZIP64_LOCATOR = b"PK\6\7"
_ENCRYPTED, _DESCRIPTOR = 0x1 | 0x40, 0x8
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_NO_NUMBER = 0xFFFF
_ROOM = 1024
"""Bytes of the directory that one entry may take: its name is ten."""


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What an archive may hold."""

    max_entries: int = 2000
    max_bytes: int = 1 << 30
    """Sum of the unpacked sizes, said and counted while reading."""
    max_ratio: int = 200
    """Unpacked to packed size of one entry; pictures do not pack."""


class Archive:
    """A zip of numbered pictures. Raises PictureError (``bad_zip``) for anything else."""

    def __init__(self, data: bytes, limits: ArchiveLimits | None = None) -> None:
        self._limits = limits or ArchiveLimits()
        self._left = self._limits.max_bytes
        directory = _directory(data, self._limits.max_entries)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except Exception as error:
            # Hostile bytes make zipfile raise struct.error, ValueError, UnicodeError and more.
            raise _bad(str(error)) from error
        entries = self._zip.infolist()
        if len(entries) != directory.entries or self._zip.start_dir != directory.at:
            raise _bad("its directory is not where or what its end says")
        for entry in entries:
            self._check(entry)
        if len({entry.filename for entry in entries}) != len(entries):
            raise _bad("a name comes twice")
        if sum(entry.file_size for entry in entries) > self._limits.max_bytes:
            raise _bad(f"more than {self._limits.max_bytes} bytes in all")
        _check_places(data, entries, directory.at)
        self.names: Sequence[str] = tuple(sorted(entry.filename for entry in entries))
        """The members, in the order in which they are shown."""

    def read(self, name: str) -> bytes:
        """One member, whole and as its checksum says."""
        entry = self._zip.getinfo(name)
        try:
            with self._zip.open(entry) as file:
                data = file.read(entry.file_size + 1)
        except Exception as error:  # as above; also zlib.error and EOFError
            raise _bad(f"{name}: {error}") from error
        self._left -= len(data)
        if len(data) != entry.file_size or self._left < 0:
            raise _bad(f"{name} is not of the size that is said")
        return data

    def frames(self) -> Iterator[bytes]:
        """Every member in turn, one in memory at a time."""
        self._left = self._limits.max_bytes
        for name in self.names:
            yield self.read(name)

    def _check(self, entry: zipfile.ZipInfo) -> None:
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if not _NAME.fullmatch(entry.filename) or entry.orig_filename != entry.filename:
            raise _bad(f"a member called {entry.filename!r}")
        if entry.flag_bits & _ENCRYPTED:
            raise _bad("it is encrypted")
        if entry.compress_type not in _METHODS:
            raise _bad(f"packed by method {entry.compress_type}")
        if kind not in (0, stat.S_IFREG):
            raise _bad(f"{entry.filename} is no plain file")
        if b"\1\0" in (entry.extra[i : i + 2] for i in _extra_fields(entry.extra)):
            raise _bad("zip64 fields in an archive that needs none")
        if entry.volume:
            raise _bad("it is one of several volumes")
        if entry.file_size > max(1, entry.compress_size) * self._limits.max_ratio:
            raise _bad(f"{entry.filename} unpacks to over {self._limits.max_ratio} times its size")


@dataclass(frozen=True, slots=True)
class _Directory:
    at: int
    entries: int


def _bad(problem: str) -> PictureError:
    return PictureError("bad_zip", problem)


def _directory(data: bytes, max_entries: int) -> _Directory:
    """Where the directory is. Bounded here: zipfile reads all of it, however long."""
    end = data.rfind(b"PK\5\6", max(0, len(data) - _END.size - 0xFFFF))
    if end < 0 or end + _END.size > len(data):
        raise PictureError("truncated", "an archive without its end")
    _, disk, first_disk, here, entries, size, at, comment = _END.unpack_from(data, end)
    if data[max(0, end - 20) : end].startswith(_ZIP64_LOCATOR) or _NO_NUMBER in (entries, here):
        raise _bad("zip64 in an archive that needs none")
    if disk or first_disk or here != entries:
        raise _bad("it is one of several volumes")
    if not 0 < entries <= max_entries:
        raise _bad(f"{entries} entries")
    if size > entries * _ROOM or at + size != end or end + _END.size + comment != len(data):
        raise _bad("its directory is not where or what its end says")
    return _Directory(at, entries)


def _check_places(data: bytes, entries: Sequence[zipfile.ZipInfo], end: int) -> None:
    """Members lie one behind the other, from the first byte on, and say the same twice."""
    at = 0
    for entry in sorted(entries, key=lambda e: e.header_offset):
        # What the directory does not tell of, and what two members share, is no ugoira.
        if entry.header_offset != at or at + _LOCAL.size > end:
            raise _bad("members overlap, or something lies between them")
        at = _end_of_member(data, at, entry)
        if at > end:
            raise _bad("a member reaches into the directory")
    if at != end:
        raise _bad("something lies between the members and the directory")


def _end_of_member(data: bytes, at: int, entry: zipfile.ZipInfo) -> int:
    local = _LOCAL.unpack_from(data, at)
    sign, flags, method, name, extra = local[0], local[2], local[3], local[9], local[10]
    told = local[6:9]
    known = (entry.CRC, entry.compress_size, entry.file_size)
    described = bool(flags & _DESCRIPTOR)
    if sign != b"PK\3\4" or flags != entry.flag_bits or method != entry.compress_type:
        raise _bad(f"{entry.filename} is not what the directory says")
    if told != known and not (described and told == (0, 0, 0)):
        raise _bad(f"{entry.filename} is not of the size that the directory says")
    at += _LOCAL.size + name + extra + entry.compress_size
    if not described:
        return at
    values = struct.pack("<3L", *known)
    for descriptor in (b"PK\7\10" + values, values):
        if data.startswith(descriptor, at):
            return at + len(descriptor)
    raise _bad(f"{entry.filename} is followed by another size than the directory says")


def _extra_fields(extra: bytes) -> Iterator[int]:
    """Where each field of an entry's extra data begins."""
    at = 0
    while at + 4 <= len(extra):
        yield at
        at += 4 + int.from_bytes(extra[at + 2 : at + 4], "little")
