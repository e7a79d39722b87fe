"""Readable file names for exports: ``danbooru-123456-artist``.

Whatever a site says never reaches a path unchanged: only letters, digits and single hyphens do.
Underscores are left out because kohya's loader reads meaning into them, and capitals and dots
because file systems and loaders disagree about them.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

from storage.records import AcceptedImage

MAX_STEM_BYTES = 140
"""Of UTF-8, so that a name with its extension stays within 150."""
_SITE_BYTES, _ID_BYTES, _ARTIST_BYTES = 24, 48, 56
_ID_ALONE_BYTES = 100
"""Of an id that no artist follows."""
_SUFFIX_LENGTHS = (0, 8, 16, 64)
"""Hexadecimal digits that tell equal names apart; a name gets as few as it needs."""

_EXTENSION = re.compile(r"\.(?:jpe?g|jpe|jfif|png|webp|avif|gif|bmp|tiff?)", re.IGNORECASE)
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"]
)
# EveryDream reads the text file of a picture with such a stem as a setting of the whole folder.
_SETTINGS = frozenset(
    {"multiply", "flip-p", "cond-dropout", "batch-id", "loss-scale", "shuffle-tags"}
    | {"local", "global", "metadata"}
)
# OneTrainer takes pictures whose names end so for masks of other pictures.
_MASK_ENDINGS = ("-masklabel", "-condlabel")
_NOT_ARTISTS = frozenset(["banned_artist", "artist_request", "anonymous", "unknown"])


def readable_name(image: AcceptedImage) -> str:
    """The stem of one picture, ``site-id-artist``, before names are made unique.

    NFC, lower case, at most ``MAX_STEM_BYTES``; never empty. An id that is a file's path loses its
    extension, and where it is long, its beginning: what tells files apart is at the end.
    """
    artists = [a for a in image.tags.get("artist", ()) if a.lower() not in _NOT_ARTISTS]
    id_bytes = _ID_BYTES if artists else _ID_ALONE_BYTES
    id = _cut_to_tail(_slug(_without_extension(image.site_id)), id_bytes)
    parts = [_cut(_slug(image.site), _SITE_BYTES), id]
    # A site or id of nothing but signs still has to name one work only.
    parts = [part or _digest(image)[:8] for part in parts]
    if artists:
        parts.append(_cut(_slug(artists[0]), _ARTIST_BYTES))
    stem = "-".join(part for part in parts if part)
    if stem in _DEVICES or stem in _SETTINGS or stem.endswith(_MASK_ENDINGS):
        stem += "-art"
    return stem


def readable_names(images: Sequence[AcceptedImage]) -> list[str]:
    """One stem per picture, in their order, all different even where case is ignored.

    The names depend on the set alone, not on its order: all who share a name get a suffix from the
    hash of what they are. Raises ValueError where one work is given twice.
    """
    digests = [_digest(image) for image in images]
    if len(set(digests)) < len(digests):
        raise ValueError("the same work is given twice")
    bases = [readable_name(image) for image in images]
    levels = [0] * len(images)
    while True:
        stems = [
            _suffixed(base, digest[: _SUFFIX_LENGTHS[level]]) if level else base
            for base, digest, level in zip(bases, digests, levels, strict=True)
        ]
        count = Counter(_key(stem) for stem in stems)
        clashing = [i for i, stem in enumerate(stems) if count[_key(stem)] > 1]
        if not clashing:
            return stems
        for i in clashing:
            levels[i] += 1


def distinct_name(image: AcceptedImage, taken: Callable[[str], bool]) -> str:
    """A stem for a picture that comes alone: as short as those that are taken leave it."""
    base, digest = readable_name(image), _digest(image)
    for length in _SUFFIX_LENGTHS:
        stem = _suffixed(base, digest[:length]) if length else base
        if not taken(stem):
            return stem
    raise ValueError(f"every name of {base} is taken")


def _digest(image: AcceptedImage) -> str:
    identity = "\0".join([image.site, image.site_id, image.sha256 or ""])
    return hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()


def _suffixed(base: str, suffix: str) -> str:
    return f"{_cut(base, MAX_STEM_BYTES - len(suffix) - 1)}-{suffix}"


def _without_extension(site_id: str) -> str:
    """A path without the extension of a picture, unless that is all there is of its name."""
    stem, dot, extension = site_id.rpartition(".")
    if _EXTENSION.fullmatch(dot + extension) and _slug(stem.rpartition("/")[2]):
        return stem
    return site_id


def _key(stem: str) -> str:
    """Equal for names that some file system takes for the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", stem).casefold())


def _slug(text: str) -> str:
    """Lower-case letters, digits and marks of ``text``, joined by single hyphens."""
    lowered = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())
    out: list[str] = []
    for char in lowered:
        category = unicodedata.category(char)
        if category[0] in "LN" or (category[0] == "M" and out and out[-1] != "-"):
            out.append(char)
        elif category != "Cf" and out and out[-1] != "-":
            out.append("-")
    return unicodedata.normalize("NFC", "".join(out)).strip("-")


def _cut(text: str, limit: int) -> str:
    """At most ``limit`` bytes of a slug's beginning, whole characters, no hyphen at its end."""
    return text.encode("utf-8")[:limit].decode("utf-8", "ignore").strip("-")


def _cut_to_tail(text: str, limit: int) -> str:
    """At most ``limit`` bytes of the end of a slug; no hyphen or lone mark at its beginning."""
    tail = text.encode("utf-8")[-limit:].decode("utf-8", "ignore")
    while tail and (tail[0] == "-" or unicodedata.category(tail[0])[0] == "M"):
        tail = tail[1:]
    return tail
