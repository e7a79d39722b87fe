"""Content safety: what is never fetched from any site, whatever the flags, and ratings not asked.

Sites mark works that sexualise minors by tags, by ratings and by hiding them. Hidden works are the
adapter's to report; tags, captions, ratings and the words of a query are judged here. No option,
no ``--allow`` and no policy reaches the first of the two tests.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import ClassVar

from filters.base import BaseFilter, Claims, Measures, Rejection, option
from filters.policy import Policy

RATINGS = ("g", "s", "q", "e")

_ASCII_SEPARATORS = str.maketrans("", "", "-_'\" \t\n\r")


def _key(tag: str) -> str:
    """The one spelling of a tag: compatible characters, no case, no separators, nothing unseen."""
    if tag.isascii():  # nearly all are, and a listing has millions
        return tag.lower().translate(_ASCII_SEPARATORS)
    plain = unicodedata.normalize("NFKC", tag).casefold()
    return "".join(
        c for c in plain if c not in "-_'\"" and not c.isspace() and unicodedata.category(c) != "Cf"
    )


def _words(text: str) -> frozenset[str]:
    return frozenset(map(_key, text.split()))


_BLOCKED = _words(
    """
    loli lolis lolicon lolicons lolikon lolidom loli-baba legal_loli oppai_loli onee-loli one_loli
    loli_on_loli loli_shota shota_loli loli_sex loli_porn loli_hentai
    shota shotas shotacon shotacons shotakon shotadom straight_shota onee-shota oni-shota onii-shota
    oji-shota shota_on_shota shota_sex shota_porn
    toddlercon toddlerkon babycon cunny jailbait underage underage_sex preteen_sex child_sex
    child_porn child_pornography csam pedo pedophilia paedophilia pedophile paedophile
    cub_porn cub_sex young_sex
    ロリ ロリコン ろり ろりこん ロリ巨乳 ショタ ショタコン しょた しょたこん おねショタ 児童ポルノ
    萝莉 蘿莉 正太 正太控 萝莉控 로리 로리콘 쇼타 쇼타콘 лоли лоликон шота шотакон
    """
)
"""Tags that mark sexualised minors by themselves."""

_AGE_CODED = _words(
    """
    child children kid kids female_child male_child child_on_child cub aged_down age_down de-aged
    age_regression toddler toddlers baby babies infant infants newborn newborns preschooler
    preschool kindergarten kindergartener kindergarten_uniform kindergarten_hat kindergarten_bag
    elementary_school elementary_schooler elementary_school_student elementary_student
    elementary_school_uniform primary_school primary_school_student grade_schooler randoseru
    little_girl little_boy young_girl young_boy young younger younger_self minor minors
    preteen preteens tween mesugaki kodomo lolita
    幼女 幼児 児童 子供 こども 小学生 女児 男児 赤ちゃん 小孩 儿童 兒童
    어린이 아이 ребёнок ребенок дети
    """
)
"""Tags that say a person is a child: fine in a work rated general, blocked in any other."""

_EXPLICIT = _words(
    """
    nsfw hentai porn porno pornography sex sexy nude nudes nudity naked explicit erotic erotica
    ecchi ero lewd r18 r-18 adult xxx rule34 questionable sensitive nudist topless bottomless
    """
)
"""Words of a query that ask for more than a general rating."""

_UNDRESSED = _words(
    """
    nude nudes nudity naked topless bottomless nsfw explicit erotic erotica hentai lewd r18 r-18 xxx
    sex porn porno pornography pornographic masturbation fellatio penis vagina pussy nipples
    """
)
"""Words that make age-coded prose unfit: fewer than of a query, for prose is about anything."""

_LOOSE = re.compile(r"[\s:;/|,{}\[\]<>]|^\(")
"""Marks a tag that is no one name: a phrase, a list, a prompt's ``(weight:1.2)``."""

_WORD = re.compile(r"\w+(?:[-'’]\w+)*")
_PIECE = re.compile(r"[゠-ヿ]+|[぀-ゟ]+|[㐀-鿿]+|[^\W぀-ヿ㐀-鿿]+")
"""Runs of one script: Japanese has no spaces, and its words often end where the script does."""


def blocked(claims: Claims) -> bool:
    """Whether a work's own tags forbid it for good.

    Whole tags of every category count, in any case, with hyphens, underscores, spaces or none. An
    age-coded tag blocks a work of any rating but ``g``, an unknown rating included. Of a caption,
    and of tags that are phrases, every word counts; but people write of children without harm, so
    that an age-coded word there blocks only beside an explicit word, or in the caption of a work
    that is rated, and not ``g``.
    """
    tags = [tag for category in claims.tags.values() for tag in category]
    keys = {_key(tag) for tag in tags}
    if not keys.isdisjoint(_BLOCKED):
        return True
    if claims.rating != "g" and not keys.isdisjoint(_AGE_CODED):
        return True
    told = _spoken(claims.caption or "")
    spoken = told.union(*(_spoken(tag) for tag in tags if _LOOSE.search(tag)))
    if not spoken.isdisjoint(_BLOCKED):
        return True
    if claims.rating not in (None, "g") and not told.isdisjoint(_AGE_CODED):
        return True
    explicit = not _UNDRESSED.isdisjoint(spoken | keys)
    return explicit and not spoken.isdisjoint(_AGE_CODED)


def _spoken(text: str) -> set[str]:
    """The keys of the words of prose, of their parts, and of every two neighbours as one word."""
    if not text:
        return set()
    plain = unicodedata.normalize("NFKC", text)
    words = _WORD.findall("".join(c for c in plain if unicodedata.category(c) != "Cf"))
    keys = {_key(word) for word in words}
    keys.update(_key(piece) for word in words for piece in _PIECE.findall(word))
    keys.update(_key(one + other) for one, other in pairwise(words))
    return keys


def blocked_words(words: Sequence[str], ratings: Sequence[str] = ()) -> list[str]:
    """The words of a query that are never sent to any site, as they were written.

    Looked for behind the signs that sites search by: ``-``, ``~``, groups in parentheses, ``or``,
    wildcards that a blocked tag would match, and values such as ``ai:NAME,50%``. What is excluded
    (``-NAME``, or a whole group of it) is fine. An age-coded word is refused where the query itself
    or ``ratings``, which the policy asks for, reach beyond the general rating.
    """
    asked = _positive(words)
    explicit = any(r != "g" for r in ratings) or any(_asks_for_more(token) for _, token in asked)
    never = _BLOCKED | _AGE_CODED if explicit else _BLOCKED
    found = [word for word, token in asked if _names(token, never)]
    # A source that searches by sentence takes neighbours as one tag: "straight shota" is caught by
    # its second word, "toddler con" only together.
    for (first, one), (second, other) in pairwise(asked):
        if _key(one + other) in never:
            found += [first, second]
    return list(dict.fromkeys(found))


def _positive(words: Iterable[str]) -> list[tuple[str, str]]:
    """(word as written, bare token) of everything a query asks for rather than excludes."""
    tokens: list[tuple[str, str, bool]] = []
    excluded = [False]  # one entry per open group: whether its content is excluded
    balanced = True
    for word in " ".join(words).split():
        token, minus = unicodedata.normalize("NFKC", word), False
        while token[:1] and token[0] in "-~(":
            if token[0] == "-":
                minus = not minus
            elif token[0] == "(":
                excluded.append(excluded[-1] ^ minus)
                minus = False
            token = token[1:]
        closing = 0
        while token.endswith(")") and token.count(")") > token.count("("):
            token, closing = token[:-1], closing + 1
        if token:
            tokens.append((word, token, excluded[-1] ^ minus))
        for _ in range(closing):
            if len(excluded) > 1:
                excluded.pop()
            else:
                balanced = False
    # How a site reads groups that do not close is its own affair: then nothing counts as excluded.
    balanced = balanced and len(excluded) == 1
    return [(word, token) for word, token, out in tokens if not (out and balanced)]


def _parts(token: str) -> Iterator[str]:
    yield token
    yield from re.split(r"[:,+|;/&]", token)


def _names(token: str, tags: frozenset[str]) -> bool:
    for part in _parts(token):
        key = _key(part)
        if key in tags:
            return True
        if "*" in key:
            # Only the star is a wildcard at the sites we know; fnmatch has others.
            pattern = re.sub(r"([\[?])", r"[\1]", key)
            if any(fnmatchcase(tag, pattern) for tag in tags):
                return True
    return False


def _asks_for_more(token: str) -> bool:
    name, colon, value = token.partition(":")
    if colon and name.casefold() in ("rating", "is"):
        return any(v.strip().casefold()[:1] not in ("", "g") for v in value.split(","))
    return any(_key(part) in _EXPLICIT for part in _parts(token))


@dataclass(frozen=True)
class Options:
    ratings: tuple[str, ...] = option(
        ("g", "s"),
        "Ratings that are wanted: g(eneral), s(ensitive), q(uestionable), e(xplicit).",
        choices=RATINGS,
    )


VERSION = 1
"""Raised by one with every change of what is blocked: a word more or less, or how it is looked for.

It is kept with every crawl. A crawl that was judged by another version is judged again when it is
run next, and what is blocked now is purged, however long ago it was accepted.
"""


class Content(BaseFilter):
    """Works that are never fetched, and ratings that were not asked for."""

    name: ClassVar[str] = "content"
    version: ClassVar[int] = VERSION
    order: ClassVar[int] = 0
    forced: ClassVar[bool] = True
    reasons: ClassVar[Mapping[str, str]] = {
        "blocked_content": "marked as sexualising minors: never fetched, no flag allows it",
        "rating": "its rating is not one that was asked for",
    }
    Options: ClassVar[type[Options]] = Options

    def prescreen(self, claims: Claims, policy: Policy) -> Rejection | None:
        if blocked(claims):
            # Neither the tag nor the rating is told: nothing of such a work is kept but its id.
            return Rejection("blocked_content")
        wanted: tuple[str, ...] = policy[self.name].ratings
        if claims.rating is not None and claims.rating not in wanted:
            return Rejection("rating", claims.rating, ",".join(wanted))
        return None

    def judge(self, claims: Claims, measures: Measures, policy: Policy) -> Rejection | None:
        return self.prescreen(claims, policy)
