"""What lies beside a picture: ``.txt`` captions and ``.json`` as gallery-dl writes it.

Sidecars are untrusted: they are read up to a size, and nothing in them names a file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
    """Read ``name.ext.json`` or ``name.json`` and ``name.txt`` or ``name.ext.txt``.

    ``size`` is the picture's, in bytes: a sidecar that tells another one was written for another
    file, and its md5 is not believed. Tags of the text stand where the JSON has none.
    """
    unreadable: list[str] = []
    found = from_json(_json(picture, unreadable), size)
    tags, caption = read_caption(_text(picture, unreadable))
    return replace(
        found,
        tags=found.tags or ({"": tags} if tags else {}),
        caption=caption or found.caption,
        unreadable=tuple(unreadable),
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
    """Tell tags from a sentence: (tags, caption), one of them empty.

    Tags are short parts between commas or on lines of their own, or words of which some are joined
    by underscores; what ends like a sentence or has long parts is a caption.
    """
    text = text.strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return (), None
    parts = [part.strip() for line in lines for part in line.split(",") if part.strip()]
    words = text.split()
    sentence = re.search(r"[.!?](\s|$)", text) and not text.endswith("...")
    if sentence or any(len(part.split()) > _TAG_WORDS for part in parts):
        if not sentence and len(parts) == 1 and any("_" in word for word in words):
            return _unique(words), None
        return (), " ".join(words)
    if len(parts) == 1 and any("_" in word for word in words):
        return _unique(words), None
    if len(parts) == 1 and len(words) > 1:
        return (), " ".join(words)
    return _unique(parts), None


def _unique(words: list[str]) -> tuple[str, ...]:
    # Trainers' captions escape parentheses, which weigh words in prompts.
    plain = (word.replace("\\(", "(").replace("\\)", ")") for word in words)
    return tuple(dict.fromkeys(plain))


def _json_tags(data: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """By category where the site had categories, else all under ``""``."""
    tags = {}
    for category in _CATEGORIES:
        words = _words(data.get(f"tag_string_{category}")) or _words(data.get(f"tags_{category}"))
        if words:
            tags[category] = words
    if not tags and (words := _words(data.get("tags")) or _words(data.get("tag_string"))):
        tags[""] = words
    return tags


def _words(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        parts = value.split(",") if "," in value else value.split()
    elif isinstance(value, list):
        parts = value
    else:
        return ()
    words = (storable(part).strip() for part in parts)
    return tuple(dict.fromkeys(word for word in words if word))


def _string(value: Any) -> str | None:
    return storable(value).strip() or None


def _json(picture: Path, unreadable: list[str]) -> dict[str, Any]:
    data = _read(picture, ".json", unreadable)
    if data is None:
        return {}
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        unreadable.append(".json")
        return {}
    return found


def _text(picture: Path, unreadable: list[str]) -> str:
    data = _read(picture, ".txt", unreadable)
    if data is None:
        return ""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        unreadable.append(".txt")
        return ""


def _read(picture: Path, suffix: str, unreadable: list[str]) -> bytes | None:
    """The first sidecar of that suffix: beside the whole name, then beside the stem."""
    for path in (picture.with_name(picture.name + suffix), picture.with_suffix(suffix)):
        if path.is_symlink() or not path.is_file():
            continue
        try:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError:
            data = b"\0" * (MAX_BYTES + 1)
        if len(data) <= MAX_BYTES:
            return data
        unreadable.append(suffix)
        return None
    return None
