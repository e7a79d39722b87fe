"""The query language of the catalog: words people guess right, read into conditions.

``1girl -comic width>=1200 rating:g,s posted:2024-01..2024-06 sharpness<0.3 sort:-pixels``. A bare
word is a tag (``*`` is a wildcard), ``-`` negates, ``field:value`` takes commas and ``a..b``
ranges, and double quotes hold blanks together.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeAlias

from storage.errors import BadQuery
from storage.query.fields import (
    ALIASES,
    CATEGORIES,
    DATES,
    ELSEWHERE,
    FIELDS,
    FORMATS,
    IN_SMALL_LETTERS,
    MULTIPLES,
    NUMBERS,
    RATINGS,
    SORTS,
    TEXTS,
)
from storage.query.numbers import number_of
from storage.query.periods import Bound, end_of, start_of
from storage.reasons import STATES

MOST_WORDS = 200
LONGEST_WORD = 2_000
RANDOM = "random"

_COMPARE = re.compile(r"^(-?)([a-z0-9_]+(?:\.[a-z0-9_]+)?)(>=|<=|!=|>|<|=|:)(.*)$", re.DOTALL)
_AGAIN = re.compile(r"^(>=|<=|>|<|=)(.*)$", re.DOTALL)
_IS = (":", "=", "!=")
"""Operators that ask for a value itself."""
_HEX = re.compile(r"^[0-9a-f]{1,64}$")
_WORD = re.compile(r'(?:(?<=[-:=,<>])"[^"]*"(?=[\s,]|$)|^"[^"]*"(?=[\s,]|$)|\S)+', re.DOTALL)


class Known(Protocol):
    """What a catalog knows: the words that a query can be about."""

    @property
    def reasons(self) -> Sequence[str]:
        """Every reason that some work has or had."""

    @property
    def crawls(self) -> Sequence[str]:
        """The ids of all crawls."""

    @property
    def sites(self) -> Collection[str]:
        """The sites of all crawls."""

    @property
    def measures(self) -> Mapping[str, type]:
        """``FILTER.MEASURE`` -> ``float``, or ``str`` where it is no number."""

    def is_tag(self, name: str) -> bool:
        """Whether some work has this tag."""


@dataclass(frozen=True, slots=True)
class HasTag:
    """One of some tags, in a category or in any. A name with ``*`` stands for many."""

    names: tuple[str, ...]
    category: str | None = None


@dataclass(frozen=True, slots=True)
class Within:
    """A number, a moment or a measure between two bounds; None leaves a side open."""

    field: str
    low: Bound | None = None
    high: Bound | None = None


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of some texts."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Begins:
    """The start of a hash."""

    field: str
    prefix: str


@dataclass(frozen=True, slots=True)
class SamePicture:
    """The works that are the same picture as one, named as ``show`` takes it."""

    ref: str


Test: TypeAlias = HasTag | Within | OneOf | Begins | SamePicture


@dataclass(frozen=True, slots=True)
class Condition:
    """A test, or that it does not hold: what nobody knows does not hold."""

    test: Test
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Sort:
    """The order asked for; what has no such value comes last. ``seed`` is of ``random``."""

    field: str
    descending: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Query:
    """All of its conditions hold."""

    conditions: tuple[Condition, ...] = ()
    sort: Sort | None = None


def parse(words: Sequence[str], known: Known) -> Query:
    """Read query words. Raises BadQuery, which names the fields, operators or values there are."""
    conditions: list[Condition] = []
    sort: Sort | None = None
    given = list(words_of(words))
    if len(given) > MOST_WORDS:
        raise BadQuery(f"a query has at most {MOST_WORDS} words")
    for word in given:
        match = _COMPARE.match(word)
        field = match and ALIASES.get(match[2], match[2])
        if match is None or field is None or _is_a_tag(match, field, word, known):
            negated, name = word.startswith("-"), _unquoted(word.removeprefix("-"))
            if not name:
                raise BadQuery("a lone '-' negates nothing")
            conditions.append(Condition(HasTag((name,)), negated))
        elif field == "sort" and match[3] in (":", "="):
            sort = _sort(_value(match), known)
        else:
            test = _test(field, match[3], _value(match), known)
            conditions.append(Condition(test, bool(match[1]) != (match[3] == "!=")))
    return Query(tuple(conditions), sort)


def words_of(texts: Sequence[str]) -> Iterator[str]:
    """The words of texts that may hold several, with blanks between them; quotes keep theirs."""
    for text in texts:
        if len(text) > LONGEST_WORD:
            raise BadQuery(f"a word of a query has at most {LONGEST_WORD} characters")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise BadQuery(f"{text!r} is not text") from error
        yield from (found[0] for found in _WORD.finditer(text))


def _unquoted(text: str) -> str:
    quoted = len(text) > 2 and text[0] == text[-1] == '"'
    return text[1:-1] if quoted else text


def _value(match: re.Match[str]) -> str:
    value = match[4]
    if not value:
        raise BadQuery(f"{match[2]}{match[3]} needs a value")
    return value


def _is_a_tag(match: re.Match[str], field: str, word: str, known: Known) -> bool:
    """``>_<`` and ``re:zero`` are tags; ``widht>=3`` is a mistake."""
    if field in FIELDS or _measure(field, known) is not None:
        return False
    if known.is_tag(word) or known.is_tag(word.removeprefix("-")):
        return True
    value = match[4]
    close = difflib.get_close_matches(field, _names(known), n=1, cutoff=0.7)
    return not ("." in field or value[:1].isalnum() or close)


def _names(known: Known) -> list[str]:
    bare = [name.partition(".")[2] for name in known.measures]
    return [*FIELDS, *ALIASES, *dict.fromkeys(bare), *known.measures]


def _test(field: str, operator: str, value: str, known: Known) -> Test:
    if operator in (":", "=") and (field in NUMBERS or field in MULTIPLES or field in DATES):
        # As boorus write it: width:>=1200.
        again = _AGAIN.match(value)
        operator, value = (again[1], again[2]) if again else (operator, value)
    if field in NUMBERS or field in MULTIPLES:
        return _number(field, operator, value)
    if field in DATES:
        return _date(field, operator, value)
    if measure := _measure(field, known):
        if known.measures[measure] is float:
            return _number(measure, operator, value)
        _require_colon(field, operator)
        return OneOf(measure, tuple(_values(value)))
    if field not in FIELDS:
        raise _unknown(field, value, known)
    _require_colon(field, operator)
    if field == "group":
        return SamePicture(_unquoted(value))
    if field in TEXTS:
        return _text(field, value, known)
    return HasTag(_tags(value), field if field in CATEGORIES else None)


def _require_colon(field: str, operator: str) -> None:
    if operator not in _IS or field == "sort":
        known = ", ".join((*NUMBERS, *DATES))
        raise BadQuery(
            f"{field} takes : only",
            hint=f"{known} and measures can be compared with {operator}",
        )


def _unknown(field: str, value: str, known: Known) -> BadQuery:
    close = difflib.get_close_matches(field, _names(known), n=3)
    if field in ELSEWHERE:
        hint = ELSEWHERE[field]
    elif field in known.sites:
        hint = f"one work is: site:{field} id:{value}"
    elif close:
        hint = f"did you mean {', '.join(close)}?"
    elif "." in field:
        hint = f"measures: {', '.join(known.measures) or 'none, for no picture was measured yet'}"
    else:
        hint = f"fields: {', '.join(FIELDS)}; a tag with a colon is tag:{field}:…"
    return BadQuery(f"no field called {field!r}", hint=hint)


def _measure(name: str, known: Known) -> str | None:
    """The whole name of a measure; a bare one may stand for it where no two filters share it."""
    if name in FIELDS or name in ALIASES:
        return None
    if name in known.measures:
        return name
    alike = [whole for whole in known.measures if whole.partition(".")[2] == name]
    if len(alike) > 1:
        raise BadQuery(f"{name} is a measure of several filters", hint=f"name {' or '.join(alike)}")
    return alike[0] if alike else None


def _number(field: str, operator: str, text: str) -> Within:
    of, scale = MULTIPLES.get(field, (field, 1))

    def bound(number: str) -> Bound:
        return Bound(number_of(field, number) * scale)

    return _between(field, of, operator, _unquoted(text), bound, bound)


def _date(field: str, operator: str, text: str) -> Within:
    start, end = partial(start_of, field), partial(end_of, field)
    return _between(field, field, operator, _unquoted(text), start, end)


def _between(
    field: str,
    of: str,
    operator: str,
    value: str,
    start: Callable[[str], Bound],
    end: Callable[[str], Bound],
) -> Within:
    """A range such as ``a..b``, or a comparison with one value."""
    if operator not in _IS or ".." not in value:
        return _compared(of, operator, start(value), end(value))
    first, last = value.split("..", 1)
    if not first and not last:
        raise BadQuery(f"{field}:.. needs a bound on one side at least")
    low, high = start(first) if first else None, end(last) if last else None
    if low is not None and high is not None and low.is_behind(high):
        raise BadQuery(f"nothing is in {field}:{value}: the smaller bound comes first")
    return Within(of, low, high)


def _compared(field: str, operator: str, start: Bound, end: Bound) -> Within:
    """A comparison with something that may last, such as a month."""
    match operator:
        case ">=":
            return Within(field, low=start)
        case ">":
            return Within(field, low=end.other_side())
        case "<=":
            return Within(field, high=end)
        case "<":
            return Within(field, high=start.other_side())
    return Within(field, start, end)


def _text(field: str, value: str, known: Known) -> Test:
    if field == "sha256":
        prefix = _unquoted(value).lower()
        if not _HEX.match(prefix):
            raise BadQuery(f"sha256 takes the first hex digits of a hash, not {value!r}")
        return Begins(field, prefix)
    if "*" in value and '"' not in value:
        raise BadQuery(f"{field} takes no *", hint="it stands for anything in tags alone")
    words = _values(value)
    if field in IN_SMALL_LETTERS:
        words = [word.lower() for word in words]
    if field == "state":
        _require_known(field, words, STATES)
    elif field == "rating":
        _require_known(field, words, (*RATINGS, *RATINGS.values()))
        words = [RATINGS.get(word, word) for word in words]
    elif field == "reason":
        _require_known(field, words, known.reasons)
    elif field == "format":
        words = [FORMATS.get(word, word) for word in words]
    elif field == "crawl":
        words = [crawl for word in words for crawl in _crawls(word, known)]
    return OneOf(field, tuple(words))


def _crawls(begins: str, known: Known) -> list[str]:
    """The crawl of this id, else all whose ids begin so."""
    # The id of a crawl's first generation is how the ids of its later ones begin.
    whole = [crawl for crawl in known.crawls if crawl == begins]
    found = whole or [crawl for crawl in known.crawls if crawl.startswith(begins)]
    if not found:
        _require_known("crawl", [begins], known.crawls)
    return found


def _values(value: str) -> list[str]:
    words = [_unquoted(v) for v in value.split(",") if v]
    if not words:
        raise BadQuery(f"{value!r} is no value")
    return words


def _tags(value: str) -> tuple[str, ...]:
    """Tags with commas between them; ``,_,`` is one of its own."""
    parts = [_unquoted(part) for part in value.split(",")]
    return tuple(parts) if all(parts) else (_unquoted(value),)


def _require_known(field: str, values: Sequence[str], known: Sequence[str]) -> None:
    for value in values:
        if value not in known:
            close = difflib.get_close_matches(value, known, n=3)
            if close:
                hint = f"did you mean {', '.join(close)}?"
            else:
                hint = f"there are: {', '.join(known)}" if known else "there are none yet"
            raise BadQuery(f"no {field} is called {value!r}", hint=hint)


def _sort(value: str, known: Known) -> Sort:
    descending, name = value.startswith("-"), value.removeprefix("-").removeprefix("+")
    name = ALIASES.get(name, name)
    name = MULTIPLES[name][0] if name in MULTIPLES else name
    order, colon, seed = name.partition(":")
    if order == RANDOM:
        if colon and not (seed.isascii() and seed.isdigit() and len(seed) < 10):
            raise BadQuery("sort:random takes a number after it, such as sort:random:7")
        return Sort(RANDOM, descending, int(seed or 0))
    if name in SORTS:
        return Sort(name, descending)
    measure = _measure(name, known)
    if measure is None or known.measures[measure] is not float:
        numbers = [each for each, kind in known.measures.items() if kind is float]
        raise BadQuery(
            f"cannot sort by {name!r}", hint=f"there are: {', '.join((*SORTS, *numbers, RANDOM))}"
        )
    return Sort(measure, descending)
