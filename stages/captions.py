"""Captions from what the site says: one line of UTF-8, the trigger first, never empty.

The file holds exactly the caption: no byte order mark (loaders would train on it) and no newline at
its end (tools that split at commas would make it part of the last tag).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from filters.base import option
from storage.records import AcceptedImage

_KAOMOJI = frozenset({"6_9", ">_o", "(o)_(o)", "<o>_<o>", "<|>_<|>", "|_|", "||_||"})
_KAOMOJI_SHAPE = re.compile(r"([a-z0-9])_\1|[^\w\s,{}|]{1,2}_[^\w\s,{}|]{1,2}")
"""``o_o``, ``^_^``, ``;_;`` and their like."""
_COUNT = re.compile(r"(?:\d+\+?|multiple_)(?:girl|boy|other)s?")
_COUNT_WORDS = frozenset({"solo", "solo_focus", "no_humans"})
_QUALITY = re.compile(
    r"masterpiece|(?:best|amazing|great|high|good|normal|average|low|bad|worst)_quality"
    r"|highres|(?:incredibly_)?absurdres|lowres"
)
_RATINGS = {"g": "general", "s": "sensitive", "q": "questionable", "e": "explicit"}
_OWN_PLACE = frozenset(["artist", "character", "copyright", "meta"])
LAST_RESORT = "image"
"""The caption of a picture of which nothing at all is known: an empty one would stop a trainer."""


@dataclass(frozen=True)
class CaptionOptions:
    """What goes into a caption. Exports that write captions inherit these."""

    trigger: str = option("", "the word to train, put first in every caption")
    class_word: str = option("", "the caption of pictures about which the site says nothing")
    with_artist: bool = option(False, "add the artist")
    with_meta: bool = option(False, "add words about the file (commentary, translated, …)")
    with_quality: bool = option(False, "add words of quality and size (masterpiece, highres, …)")
    with_rating: bool = option(False, "add the rating as a word")
    drop: tuple[str, ...] = option((), "whole tags to leave out; * stands for anything")
    max_tags: int = option(0, "tags after the trigger, general ones dropped first; 0: all", low=0)
    escape: bool = option(False, "write parentheses as \\( \\), for tools that read weights")


class Captioner:
    """Makes captions by one policy.

    Order: trigger, count (``1girl``), character, series, general, artist, meta, quality, rating.
    """

    def __init__(self, options: CaptionOptions) -> None:
        self.options = options
        self._trigger = _sentence(options.trigger)
        self._drop = [_same(_words(tag)) for tag in options.drop]

    def caption(self, image: AcceptedImage) -> str:
        """The caption of one picture: its :meth:`words`, else :data:`LAST_RESORT`."""
        return self.words(image) or LAST_RESORT

    def words(self, image: AcceptedImage) -> str:
        """All there is to say of one picture; empty where that is nothing.

        Without tags: the site's own sentence, else the class word, else the trigger alone.
        """
        tags = self._tags(image)
        parts = [self._trigger, *tags] if self._trigger else tags
        if not tags and (sentence := _sentence(image.caption or self.options.class_word)):
            parts.append(sentence)
        text = ", ".join(parts) or _sentence(self.options.class_word)
        return re.sub(r"(?<!\\)([()])", r"\\\1", text) if self.options.escape else text

    def _tags(self, image: AcceptedImage) -> list[str]:
        options = self.options
        by_category = image.tags
        meta = list(by_category.get("meta", ()))
        general = [
            tag
            for category, names in by_category.items()
            if category not in _OWN_PLACE
            for tag in names
        ]
        everything = [*general, *meta]
        head = [
            *sorted((t for t in general if _counts(t)), key=_count_order),
            *by_category.get("character", ()),
            *by_category.get("copyright", ()),
        ]
        tail: list[str] = []
        if options.with_artist:
            tail += by_category.get("artist", ())
        if options.with_meta:
            tail += [t for t in meta if not _is_quality(t)]
        if options.with_quality:
            tail += [t for t in everything if _is_quality(t)]
        if options.with_rating and image.rating:
            tail.append(_RATINGS.get(image.rating, image.rating))
        middle = [t for t in general if not _counts(t) and not _is_quality(t)]

        seen = {_same(_words(self._trigger))} if self._trigger else set()
        first, last = list(self._new(head, seen)), list(self._new(tail, seen))
        rest = list(self._new(middle, seen))
        if options.max_tags:
            rest = rest[: max(0, options.max_tags - len(first) - len(last))]
            return [*first, *rest, *last][: options.max_tags]
        return [*first, *rest, *last]

    def _new(self, tags: Iterable[str], seen: set[str]) -> Iterator[str]:
        """The tags as words, without those that were seen or are to be dropped."""
        for tag in tags:
            words = _words(tag)
            same = _same(words)
            if words and same not in seen and not any(fnmatchcase(same, d) for d in self._drop):
                seen.add(same)
                yield words


def _spelled(tag: str) -> str:
    """A tag as boorus spell it."""
    return tag.lower().replace(" ", "_")


def _counts(tag: str) -> bool:
    return _spelled(tag) in _COUNT_WORDS or _COUNT.fullmatch(_spelled(tag)) is not None


def _count_order(tag: str) -> bool:
    """How many there are comes before ``solo``."""
    return _spelled(tag) in _COUNT_WORDS


def _is_quality(tag: str) -> bool:
    return _QUALITY.fullmatch(_spelled(tag)) is not None


def _same(words: str) -> str:
    """Equal for tags that read the same."""
    return words.replace("_", " ").casefold()


def _words(tag: str) -> str:
    """A tag as a trainer wants it: words, and none of kohya's syntax.

    Faces such as ``^_^`` stay as they are; a lone ``|`` in one means nothing to a trainer.
    """
    if tag.lower() in _KAOMOJI or _KAOMOJI_SHAPE.fullmatch(tag.lower()):
        return _visible(tag)
    return " ".join(_sentence(tag).replace("_", " ").replace(",", " ").split())


def _sentence(text: str) -> str:
    """One line of visible characters without wildcards (``{a|b}``) and separators (``;;; |||``)."""
    text = _visible(text).translate(str.maketrans("{}|", "() "))
    return " ".join(re.sub(";{2,}", ";", text).split()).strip(", ")


def _visible(text: str) -> str:
    """NFC without characters that cannot be seen or written; control characters become spaces.

    The joiners of scripts and emoji (U+200C, U+200D) stay.
    """
    out = []
    for char in unicodedata.normalize("NFC", text):
        category = unicodedata.category(char)
        if category in ("Cc", "Zl", "Zp"):
            out.append(" ")
        elif category != "Cs" and (category != "Cf" or char in "\u200c\u200d"):
            out.append(char)
    return "".join(out)
