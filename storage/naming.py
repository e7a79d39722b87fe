"""What a person calls a work: ``site:id`` or its bare id, its page, the start of its picture's
sha256, or one of its files.
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from storage.disk import in_our_words
from storage.public_url import public_url

MOST_NAMES = 5
"""Works that are told where several are called the same."""
_PAGE = re.compile(r"(https?:)?//", re.IGNORECASE)
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
    which they were met. Raises Unnamed, also where two kinds of name mean different works.
    """
    if name.path is None and not _is_text(name.text):  # a file may be called so, and no work
        raise Unnamed("names nothing in the catalog")
    if name.path is not None:
        if (picture := _of_file(db, name)) is None or not (found := _showing(db, picture)):
            raise Unnamed("is no picture of this catalog")
        return found
    if _PAGE.match(name.text):
        return _of_page(db, name.text)
    site, colon, site_id = name.text.partition(":")
    if colon and (works := _work(db, site, site_id)):
        return works
    called = _of_id(db, name.text)
    pictures = _of_prefix(db, name.text)
    shown = _showing(db, pictures[0]) if pictures else []
    if called and shown and not (len(pictures) == 1 and called.keys() <= set(shown)):
        names = ", ".join(called.values())
        raise Unnamed(f"is the id of {names} and begins the sha256 of another: write it out")
    if len(pictures) > 1:
        raise Unnamed("begins several hashes: give more of it")
    if len(called) > 1:
        raise Unnamed(f"is the id of several works: {', '.join(called.values())}")
    if found := shown or [*called]:
        return found
    if colon or _PREFIX.fullmatch(name.text):
        raise Unnamed("names nothing in the catalog")
    raise Unnamed(
        "is neither site:id, nor an id, nor a page, nor the start of a sha256, nor a file"
    )


def _is_text(text: str) -> bool:
    """False for bytes of a command line that no database takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _showing(db: sqlite3.Connection, picture: str) -> list[int]:
    """The works that are a picture."""
    rows = db.execute("SELECT id FROM candidates WHERE image = ? ORDER BY id", (picture,))
    return [row["id"] for row in rows.fetchall()]


def _work(db: sqlite3.Connection, site: str, site_id: str) -> list[int]:
    row = db.execute(
        "SELECT id FROM candidates WHERE site = ? AND site_id = ? ORDER BY id LIMIT 1",
        (site, site_id),
    ).fetchone()
    return [row["id"]] if row else []


def _of_id(db: sqlite3.Connection, site_id: str) -> dict[int, str]:
    """The works with an id -> ``site:id``, of each site one, and not all of many."""
    rows = db.execute(
        "SELECT min(id) AS id, site || ':' || site_id AS name FROM candidates WHERE site_id = ?"
        " GROUP BY site ORDER BY site LIMIT ?",
        (site_id, MOST_NAMES),
    ).fetchall()
    return {row["id"]: row["name"] for row in rows}


def _of_page(db: sqlite3.Connection, url: str) -> list[int]:
    """The work whose page a URL is. Its id is looked for in the URL: pages have no index.

    With http or https, with a slash at the end or none; where nothing fits with its query, the page
    without one.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise Unnamed("is no page of a work in the catalog") from error
    tokens = [part for part in parts.path.split("/") if part]
    tokens += [value for _, value in parse_qsl(parts.query)]
    ids = list(dict.fromkeys(one for token in tokens for one in (unquote(token), token)))
    rows = [
        row
        for one in ids
        for row in db.execute(
            "SELECT id, site || ':' || site_id AS name, page_url FROM candidates"
            " WHERE site_id = ? AND page_url IS NOT NULL ORDER BY id",
            (one,),
        ).fetchall()
    ]
    for keep_query in (True, False):
        page = _page(url, keep_query)
        found = {r["name"]: r["id"] for r in rows if _page(r["page_url"], keep_query) == page}
        if len(found) > 1:
            names = ", ".join([*found][:MOST_NAMES])
            raise Unnamed(f"is the page of several works: {names}")
        if found:
            return [*found.values()]
    raise Unnamed("is no page of a work in the catalog")


def _page(url: str, keep_query: bool) -> tuple[str, str, str]:
    """What tells pages apart: of a URL as the site gave it, or as ``show`` prints it."""
    try:
        parts = urlsplit(public_url(url if _PAGE.match(url) else f"//{url}"))
    except ValueError:
        return "", url, ""
    path = unquote(parts.path).rstrip("/")
    return parts.netloc.lower(), path, parts.query if keep_query else ""


def _of_prefix(db: sqlite3.Connection, text: str) -> list[str]:
    """The pictures whose sha256 begins so: none, one, or the first and the last of several."""
    begins = text.lower()
    if not _PREFIX.fullmatch(begins):
        return []
    between = (begins, begins + "g")  # behind every hash that begins so: digits end at f
    image = "SELECT image FROM candidates WHERE image >= ? AND image < ? ORDER BY image"
    first = db.execute(f"{image} LIMIT 1", between).fetchone()
    if first is None:
        return []
    last = db.execute(f"{image} DESC LIMIT 1", between).fetchone()
    return list(dict.fromkeys((str(first["image"]), str(last["image"]))))


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
