"""The query language of the catalog: words people guess right, compiled to indexed SQL.

``1girl -comic width>=1200 site:danbooru rating:g,s reason:too_small sort:-pixels``. A bare word
is a tag (``*`` is a wildcard), ``-`` negates, ``field:value`` takes commas and ``a..b`` ranges.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from storage.errors import BadQuery
from storage.reasons import STATES

_WIDTH = "coalesce(i.width, c.width)"
_HEIGHT = "coalesce(i.height, c.height)"
NUMBERS = {
    "width": _WIDTH,
    "height": _HEIGHT,
    "pixels": f"{_WIDTH} * {_HEIGHT}",
    "side": f"min({_WIDTH}, {_HEIGHT})",
    "bytes": "coalesce(i.bytes, c.bytes)",
    "position": "w.position",
}
TEXTS = {
    "site": "c.site",
    "id": "c.site_id",
    "rating": "c.rating",
    "format": "coalesce(i.format, c.format)",
    "state": "w.state",
    "reason": "w.reason",
    "crawl": "w.crawl_id",
    "sha256": "i.sha256",
    "parent": "c.parent",
}
RATINGS = {"general": "g", "sensitive": "s", "questionable": "q", "explicit": "e"}
"""The name of a rating -> the letter that the catalog holds; a query takes both."""
CATEGORIES = ("artist", "character", "copyright", "general", "meta")
FIELDS = (*NUMBERS, *TEXTS, *CATEGORIES, "tag", "sort")

DEFAULT_ORDER = "w.crawl_id, w.position"
MOST_WORDS = 200
"""SQLite takes expressions of a thousand steps."""
LONGEST_WORD = 2_000

_COMPARE = re.compile(r"^(-?)([a-z0-9_]+)(>=|<=|>|<|=|:)(.*)$", re.DOTALL)
_NUMBER = re.compile(r"^(\d+(?:\.\d+)?)([kKmMgG]?)$")
_SCALE = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}


@dataclass(frozen=True, slots=True)
class Compiled:
    """A query as SQL over the aliases w (works), c (candidates) and i (images)."""

    where: str
    parameters: tuple[object, ...]
    order: str


def compile_query(words: Sequence[str]) -> Compiled:
    """Compile query words. Raises BadQuery naming the valid fields or operators."""
    clauses: list[str] = []
    parameters: list[object] = []
    order = DEFAULT_ORDER
    if len(words) > MOST_WORDS:
        raise BadQuery(f"a query has at most {MOST_WORDS} words")
    for word in words:
        _check(word)
        match = _COMPARE.match(word)
        if match is None or (match[2] not in FIELDS and _looks_like_a_tag(match)):
            negated, name = word.startswith("-"), word.removeprefix("-")
            if not name:
                raise BadQuery("a lone '-' negates nothing")
            clause, values = _tag(name, None)
        else:
            negated = bool(match[1])
            field, operator, value = match[2], match[3], match[4]
            if field == "sort":
                order = _order(value)
                continue
            clause, values = _field(field, operator, value)
        # Unknown is not a match: ``-rating:e`` keeps works whose rating nobody knows.
        clauses.append(f"({clause}) IS NOT TRUE" if negated else clause)
        parameters += values
    return Compiled(" AND ".join(clauses) or "1", tuple(parameters), order)


def _check(word: str) -> None:
    if len(word) > LONGEST_WORD:
        raise BadQuery(f"a word of a query has at most {LONGEST_WORD} characters")
    try:
        word.encode()
    except UnicodeEncodeError as error:
        raise BadQuery(f"{word!r} is not text") from error


def _looks_like_a_tag(match: re.Match[str]) -> bool:
    """``>_<`` and ``tag:with:colons`` are tags; ``widht>=3`` is a mistake."""
    field, operator, value = match[2], match[3], match[4]
    close = difflib.get_close_matches(field, FIELDS, n=1, cutoff=0.7)
    return not close and (operator != ":" or not value or not value[0].isalnum())


def _field(field: str, operator: str, value: str) -> tuple[str, list[object]]:
    if field in NUMBERS:
        return _number(field, operator, value)
    if operator not in (":", "="):
        if field in FIELDS:
            known = ", ".join(NUMBERS)
            raise BadQuery(f"{field} takes : only; {known} can be compared with {operator}")
        raise _unknown(field)
    if not value:
        raise BadQuery(f"{field}: needs a value")
    if field in TEXTS:
        return _text(TEXTS[field], field, value)
    if field in CATEGORIES:
        return _tag(value, field)
    if field == "tag":
        return _tag(value, None)
    raise _unknown(field)


def _unknown(field: str) -> BadQuery:
    close = difflib.get_close_matches(field, FIELDS, n=3)
    hint = f"did you mean {', '.join(close)}?" if close else f"fields: {', '.join(FIELDS)}"
    return BadQuery(f"no field called {field!r}", hint=hint)


def _number(field: str, operator: str, value: str) -> tuple[str, list[object]]:
    sql = NUMBERS[field]
    if operator == ":" and ".." in value:
        low, high = value.split("..", 1)
        clauses: list[str] = []
        values: list[object] = []
        for bound, sign in ((low, ">="), (high, "<=")):
            if bound:
                clauses.append(f"{sql} {sign} ?")
                values.append(_parsed(field, bound))
        if not clauses:
            raise BadQuery(f"{field}:.. needs a bound on one side at least")
        return " AND ".join(clauses), values
    sign = "=" if operator == ":" else operator
    return f"{sql} {sign} ?", [_parsed(field, value)]


def _parsed(field: str, text: str) -> float:
    match = _NUMBER.match(text)
    if match is None:
        raise BadQuery(f"{field} takes a number such as 1200, 0.9M or 2k, not {text!r}")
    return float(match[1]) * _SCALE[match[2].lower()]


def _text(sql: str, field: str, value: str) -> tuple[str, list[object]]:
    if field in ("sha256", "crawl"):
        begins, values = f"substr({sql}, 1, ?) = ?", [len(value), value.lower()]
        if field == "sha256":
            return begins, values
        # The id of a crawl's first generation is how the ids of its later ones begin.
        whole = "EXISTS (SELECT 1 FROM crawls WHERE id = ?)"
        return f"CASE WHEN {whole} THEN {sql} = ? ELSE {begins} END", [value, value, *values]
    words = [v for v in value.split(",") if v]
    if not words:
        raise BadQuery(f"{field}: needs a value")
    if field == "state":
        _require_known(field, words, STATES)
    elif field == "rating":
        _require_known(field, words, (*RATINGS, *RATINGS.values()))
        words = [RATINGS.get(word, word) for word in words]
    return f"{sql} IN ({','.join('?' * len(words))})", list(words)


def _require_known(field: str, values: Sequence[str], known: Sequence[str]) -> None:
    for value in values:
        if value not in known:
            close = difflib.get_close_matches(value, known, n=3)
            hint = (
                f"did you mean {', '.join(close)}?" if close else f"there are: {', '.join(known)}"
            )
            raise BadQuery(f"no {field} is called {value!r}", hint=hint)


def _tag(name: str, category: str | None) -> tuple[str, list[object]]:
    test = "t.name GLOB ?" if "*" in name else "t.name = ?"
    # GLOB knows ? and [ too; a query knows only the star.
    value = re.sub(r"([?\[])", r"[\1]", name) if "*" in name else name
    clause = "SELECT ct.candidate_id FROM tags t JOIN candidate_tags ct ON ct.tag_id = t.id WHERE "
    if category is None:
        return f"c.id IN ({clause}{test})", [value]
    return f"c.id IN ({clause}{test} AND t.category = ?)", [value, category]


def _order(value: str) -> str:
    descending, name = value.startswith("-"), value.removeprefix("-")
    sortable: dict[str, str] = {**NUMBERS, "id": "c.id", "posted": "c.posted_at"}
    if name not in sortable:
        raise BadQuery(f"cannot sort by {name!r}; there are: {', '.join(sortable)}")
    return f"{sortable[name]} {'DESC' if descending else 'ASC'}, w.crawl_id, w.position"
