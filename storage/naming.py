"""What a person calls a work: ``site:id``, the start of a picture's sha256, or one of its files."""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from storage.disk import in_our_words

_PREFIX = re.compile(r"[0-9a-f]{4,64}", re.IGNORECASE)
_STORED = re.compile(r"[0-9a-f]{64}")


class Unnamed(Exception):
    """Nothing, or more than one thing, is called so; the message is the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Name:
    """What a person wrote, and the file it names, if it names one."""

    text: str
    path: str | None = None
    """The file's absolute path."""
    sha256: str | None = None
    """Of the file's bytes, or what a file of a workspace is called by."""


def read_name(text: str) -> Name:
    """What is meant, as far as it can be said without the catalog: a file is hashed here."""
    if _PREFIX.fullmatch(text):
        return Name(text)
    if not os.path.isfile(text):  # noqa: PTH113 - it also says so of what no file can be called
        return Name(text)
    path = Path(text)
    if _STORED.fullmatch(path.stem):
        return Name(text, str(path.absolute()), path.stem)
    with in_our_words(path.parent), open(path, "rb") as file:
        return Name(text, str(path.absolute()), hashlib.file_digest(file, "sha256").hexdigest())


def find(db: sqlite3.Connection, name: Name) -> list[int]:
    """The works (candidates) that are called so: one, or all that are one picture, in the order in
    which they were met. Raises Unnamed.
    """
    if name.path is None and not _is_text(name.text):  # a file may be called so, and no work
        raise Unnamed("names nothing in the catalog")
    site, colon, site_id = name.text.partition(":")
    if colon and name.path is None:
        return _work(db, site, site_id)
    picture = _of_file(db, name) if name.path is not None else _of_prefix(db, name.text)
    found = [
        row["id"]
        for row in db.execute(
            "SELECT id FROM candidates WHERE image = ? ORDER BY id", (picture,)
        ).fetchall()
    ]
    if not found:
        what = "is no picture of this catalog" if name.path else "names nothing in the catalog"
        raise Unnamed(what)
    return found


def _is_text(text: str) -> bool:
    """False for bytes of a command line that no database takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _work(db: sqlite3.Connection, site: str, site_id: str) -> list[int]:
    row = db.execute(
        "SELECT id FROM candidates WHERE site = ? AND site_id = ? ORDER BY id LIMIT 1",
        (site, site_id),
    ).fetchone()
    if row is None:
        raise Unnamed("names nothing in the catalog")
    return [row["id"]]


def _of_prefix(db: sqlite3.Connection, text: str) -> str | None:
    begins = text.lower()
    if not _PREFIX.fullmatch(begins):
        raise Unnamed("is neither site:id, nor the start of a sha256, nor a file")
    between = (begins, begins + "g")  # behind every hash that begins so: digits end at f
    image = "SELECT image FROM candidates WHERE image >= ? AND image < ? ORDER BY image"
    first = db.execute(f"{image} LIMIT 1", between).fetchone()
    last = db.execute(f"{image} DESC LIMIT 1", between).fetchone()
    if first is not None and first["image"] != last["image"]:
        raise Unnamed("begins several hashes: give more of it")
    return None if first is None else str(first["image"])


def _of_file(db: sqlite3.Connection, name: Name) -> str | None:
    """The picture that a file holds, is an exported copy of, or was derived from."""
    path = name.path if name.path is not None and _is_text(name.path) else None
    copies = db.execute("SELECT sha256 FROM exported WHERE path = ?", (path,)).fetchall()
    digest = copies[0]["sha256"] if len(copies) == 1 else name.sha256
    seen: set[str] = set()
    while digest is not None and digest not in seen:
        seen.add(digest)
        if db.execute("SELECT 1 FROM images WHERE sha256 = ?", (digest,)).fetchone():
            return str(digest)
        row = db.execute("SELECT parent FROM derived WHERE sha256 = ?", (digest,)).fetchone()
        digest = row["parent"] if row else None
    return None
