"""What lies beside a picture: ``.txt`` captions and ``.json`` as gallery-dl writes it.

Sidecars are untrusted: they are read up to a size, links are not followed, and nothing in them
names a file. All there are count, and every tag that any of them gives: content safety has to see
the union.
"""

from __future__ import annotations

import codecs
import errno
import json
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crawler.adapters.text import storable

MAX_BYTES = 1_000_000
SUFFIXES = (".txt", ".json")

_CATEGORIES = ("general", "artist", "copyright", "character", "meta")
_RATINGS = {
    "g": "g",
    "general": "g",
    "s": "s",
    "safe": "g",
    "sensitive": "s",
    "q": "q",
    "questionable": "q",
    "e": "e",
    "explicit": "e",
}
_MD5 = re.compile(r"[0-9a-f]{32}")
_TAG_WORDS = 5
"""A comma-separated part with more words is a clause of a sentence."""

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What the sidecars of one picture say."""

    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    caption: str | None = None
    rating: str | None = None
    source: str | None = None
    md5: str | None = None
    unreadable: tuple[str, ...] = ()
    """Suffixes of sidecars that are there and could not be read."""


def read(picture: Path, size: int) -> Sidecar:
    """Read ``name.ext.json``, ``name.json``, ``name.ext.txt`` and ``name.txt``: all there are.

    ``size`` is the picture's, in bytes: a sidecar that tells another one was written for another
    file, and its md5 is not believed. Of ratings the strictest counts, of other single values the
    first, of tags and captions all.
    """
    unreadable: list[str] = []
    told = list(_jsons(picture, size, unreadable))
    texts = [read_caption(text) for text in _texts(picture, unreadable)]
    captions = [*(caption for _, caption in texts), *(one.caption for one in told)]
    ratings = [one.rating for one in told if one.rating]
    return Sidecar(
        tags=_union(
            *(item for one in told for item in one.tags.items()),
            *(("", tags) for tags, _ in texts),
        ),
        caption="\n".join(dict.fromkeys(c for c in captions if c)) or None,
        rating=max(ratings, key="gsqe".index, default=None),
        source=next((one.source for one in told if one.source), None),
        md5=next((one.md5 for one in told if one.md5), None),
        unreadable=tuple(dict.fromkeys(unreadable)),
    )


def from_json(data: Mapping[str, Any], size: int) -> Sidecar:
    """What a JSON sidecar says of a picture of ``size`` bytes."""
    md5 = data.get("md5")
    believed = data.get("file_size", size) == size and isinstance(md5, str) and _MD5.fullmatch(md5)
    return Sidecar(
        tags=_json_tags(data),
        caption=_string(data.get("caption")),
        rating=_RATINGS.get(str(data.get("rating")).lower()),
        source=_string(data.get("source")),
        md5=md5 if believed else None,
    )


def read_caption(text: str) -> tuple[tuple[str, ...], str | None]:
    """Tell tags from sentences: (tags, caption). Every word is in one of them, or in both.

    Tags are short parts between commas or on lines of their own, or words of which some are joined
    by underscores. What ends like a sentence or has long parts is a caption, and the short parts
    beside the long ones are tags as well.
    """
    text = text.strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return (), None
    parts = [part.strip() for line in lines for part in line.split(",") if part.strip()]
    words = text.split()
    sentence = re.search(r"[.!?](\s|$)", text) and not text.endswith("...")
    if len(parts) == 1 and not sentence and any("_" in word for word in words):
        return _unique(words), None
    if len(parts) == 1 and len(words) > 1:
        return (), " ".join(words)
    short = [part for part in parts if len(part.split()) <= _TAG_WORDS]
    if sentence or len(short) < len(parts):
        return _unique(p for p in short if not re.search(r"[.!?](\s|$)", p)), " ".join(words)
    return _unique(parts), None


def _unique(words: Iterable[str]) -> tuple[str, ...]:
    # Trainers' captions escape parentheses, which weigh words in prompts.
    plain = (word.replace("\\(", "(").replace("\\)", ")") for word in words)
    return tuple(dict.fromkeys(plain))


def _json_tags(data: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """By category where the site had categories, the others under ``""``.

    Sites and tools write ``tags`` and ``tag_string`` of all, ``tags_artist`` or
    ``tag_string_artist`` of one category, and ``tags`` as an object of categories.
    """
    found: list[tuple[str, Iterable[str]]] = []
    for key, value in data.items():
        match = re.fullmatch(r"(?:tags|tag_string)(?:_(.+))?", key)
        if match is None:
            continue
        if match[1] is None and isinstance(value, dict):
            found += ((inner, _tags_in({inner: words})) for inner, words in value.items())
        else:
            found.append((match[1] or "", _tags_in(value)))
    return _union(*found)


def _union(*found: tuple[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """Each tag once, in its category if any source knows it, in the order of the categories."""
    known: dict[str, dict[str, str]] = {category: {} for category in (*_CATEGORIES, "")}
    for category, tags in found:
        for tag in tags:
            known[category if category in _CATEGORIES else ""].setdefault(_spelling(tag), tag)
    named = {key for category in _CATEGORIES for key in known[category]}
    known[""] = {key: tag for key, tag in known[""].items() if key not in named}
    return {category: tuple(tags.values()) for category, tags in known.items() if tags}


def _spelling(tag: str) -> str:
    return tag.replace(" ", "_").lower()


def _tags_in(value: Any) -> Iterator[str]:
    """The tags of a string, of a list, or of an object: its words, or scores by tag."""
    if isinstance(value, str):
        parts: Iterable[Any] = value.split(",") if "," in value else value.split()
    elif isinstance(value, list):
        parts = []
        for item in value:
            if isinstance(item, str):
                parts.append(item)
            else:
                yield from _tags_in(item)
    elif isinstance(value, dict):
        parts = [name for name, inner in value.items() if not isinstance(inner, (str, list, dict))]
        for inner in value.values():
            yield from _tags_in(inner)
    else:
        return
    for part in parts:
        if tag := storable(part).strip():
            yield tag


def _string(value: Any) -> str | None:
    return storable(value).strip() or None


def _jsons(picture: Path, size: int, unreadable: list[str]) -> Iterator[Sidecar]:
    for data in _read(picture, ".json", unreadable):
        try:
            found = json.loads(data)
            told = from_json(found, size) if isinstance(found, dict) else None
        except (ValueError, RecursionError):
            told = None
        if told is not None:
            yield told
        else:
            unreadable.append(".json")


def _texts(picture: Path, unreadable: list[str]) -> Iterator[str]:
    for data in _read(picture, ".txt", unreadable):
        encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8-sig")
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:  # UTF-16 without its mark reads as UTF-8 full of these
            unreadable.append(".txt")
        else:
            yield text


def _read(picture: Path, suffix: str, unreadable: list[str]) -> Iterator[bytes]:
    """The sidecars of that suffix: beside the whole name, then beside the stem."""
    for end in (suffix, suffix.upper()):
        for path in (picture.with_name(picture.name + end), picture.with_suffix(end)):
            try:
                kind = path.lstat().st_mode
                if stat.S_ISDIR(kind):
                    continue
                data = _bytes(path) if stat.S_ISREG(kind) else None
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno == errno.ENAMETOOLONG:  # so there is none
                    continue
                data = None
            if data is None:
                unreadable.append(suffix)
            else:
                yield data


def _bytes(path: Path) -> bytes | None:
    """A file's bytes, or None where there are too many."""
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    return data if len(data) <= MAX_BYTES else None
