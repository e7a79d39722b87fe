"""The site's tag search language: from the text of a search to a tree of terms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FREE_METATAGS: Final = _words(
    "status rating limit is id date age filesize filetype parent child md5 width height duration"
    " mpixels ratio score upvote downvotes favcount embedded tagcount pixiv_id pixiv"
)
"""Metatags that do not count against the tag limit."""

METATAGS: Final = FREE_METATAGS | _words(
    "user approver commenter comm noter noteupdater artcomm commentaryupdater flagger appealer"
    " downvote fav ordfav favgroup ordfavgroup reacted pool ordpool note comment commentary source"
    " disapproved search pixelhash upvotes order unaliased exif random has ai"
    " gentags arttags chartags copytags metatags"
)
SINGLE: Final = ("order", "ordfav", "ordfavgroup", "ordpool", "limit", "random")
"""Metatags that may stand once, not negated and not under ``or``."""

EMOTICONS: Final = _words(":) ;) :-) ;-) 8) (; =) x) >:) ((")
"""Tags whose parentheses are not balanced."""

DEEPEST: Final = 60


class QueryError(ValueError):
    """A search that the site refuses; the message is the site's."""


class QuerySyntaxError(QueryError):
    """A search that cannot be read. The site answers such a search with nothing found."""


class TagLimitError(QueryError):
    """A search with more terms than the user may use."""


@dataclass(frozen=True, slots=True)
class Tag:
    name: str


@dataclass(frozen=True, slots=True)
class Wildcard:
    pattern: str


@dataclass(frozen=True, slots=True)
class Metatag:
    name: str
    value: str
    quoted: bool = False

    def __str__(self) -> str:
        return f"{self.name}:{self.value}"


@dataclass(frozen=True, slots=True)
class Not:
    term: Node


@dataclass(frozen=True, slots=True)
class Maybe:
    """``~a``: at least one of those in the same list."""

    term: Node


@dataclass(frozen=True, slots=True)
class All:
    """Every term; with none of them, every post."""

    terms: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Any_:
    """At least one term; with none of them, no post."""

    terms: tuple[Node, ...]


Node: TypeAlias = Tag | Wildcard | Metatag | Not | Maybe | All | Any_


@dataclass(frozen=True, slots=True)
class Query:
    """A search that was understood."""

    root: Node

    def leaves(self) -> Iterator[tuple[Node, frozenset[str]]]:
        """Every tag, wildcard and metatag with what stands above it: ``not``, ``or``."""
        stack: list[tuple[Node, frozenset[str]]] = [(self.root, frozenset())]
        while stack:
            node, above = stack.pop()
            match node:
                case Not(term):
                    stack.append((term, above | {"not"}))
                case Maybe(term):
                    stack.append((term, above))
                case All(terms):
                    stack.extend((term, above) for term in reversed(terms))
                case Any_(terms):
                    stack.extend((term, above | {"or"}) for term in reversed(terms))
                case _:
                    yield node, above

    @property
    def cost(self) -> int:
        """What the search costs of the tag limit."""
        counted = {
            node
            for node, _ in self.leaves()
            if not (isinstance(node, Metatag) and node.name in FREE_METATAGS)
        }
        return len(counted)

    def metatag(self, name: str) -> str | None:
        """The value of the first metatag of that name."""
        for node, _ in self.leaves():
            if isinstance(node, Metatag) and node.name == name:
                return node.value
        return None

    def validate(self, tag_limit: int | None) -> None:
        """Raises TagLimitError, or QueryError for a metatag that may not stand where it does."""
        for name in SINGLE:
            met = [(n, up) for n, up in self.leaves() if isinstance(n, Metatag) and n.name == name]
            if len({str(node).lower() for node, _ in met}) > 1:
                raise QueryError(f"'{name}:' can't be used more than once.")
            for node, above in met:
                if "not" in above:
                    raise QueryError(f"'{node}' can't be negated.")
                if "or" in above:
                    raise QueryError(f"'{node}' can't be used with the 'or' operator.")
        # One plain tag is never too much, whoever asks.
        plain = isinstance(self.root, Tag) or self.root == All(())
        if not plain and tag_limit is not None and self.cost > tag_limit:
            raise TagLimitError(f"You cannot search for more than {tag_limit} tags at a time.")


def parse(text: str) -> Query:
    """Understand a search. Raises QuerySyntaxError."""
    return Query(_trim(_Parser(text.strip()).root()))


def _trim(node: Node) -> Node:
    match node:
        case All(terms):
            maybe = tuple(_trim(term.term) for term in terms if isinstance(term, Maybe))
            rest = [_trim(term) for term in terms if not isinstance(term, Maybe)]
            if maybe:
                rest.append(maybe[0] if len(maybe) == 1 else Any_(maybe))
            flat: list[Node] = []
            for term in rest:
                flat.extend(term.terms if isinstance(term, All) else (term,))
            return flat[0] if len(flat) == 1 else All(tuple(flat))
        case Any_(terms):
            return Any_(tuple(_trim(term) for term in terms))
        case Not(term):
            return Not(_trim(term))
        case Maybe(term):
            return _trim(term)
        case _:
            return node


_SPACE: Final = re.compile(r"\s*")
_TERM: Final = re.compile(r"[^\s)~-]\S*")
_NAME: Final = re.compile(rf"({'|'.join(sorted(METATAGS, key=len, reverse=True))}):", re.IGNORECASE)
_UNQUOTED: Final = re.compile(r"(?:\\\s|\S)*")
_QUOTED: Final = {
    '"': re.compile(r'"((?:[^"\\]|\\"|\\(?!"))*)"'),
    "'": re.compile(r"'((?:[^'\\]|\\'|\\(?!'))*)'"),
}


class _Parser:
    """Recursive descent over the text; ``open`` counts parentheses that wait to be closed."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.open = 0
        self.depth = 0

    def root(self) -> Node:
        clauses: list[Node] = []
        self._space()
        while self.at < len(self.text):
            clauses.append(self._either())
            self._space()
        return All(tuple(clauses))

    def _either(self) -> Node:
        options = [self._both()]
        while self._keyword("or"):
            options.append(self._both())
        return options[0] if len(options) == 1 else Any_(tuple(options))

    def _both(self) -> Node:
        terms = self._list()
        while self._keyword("and"):
            terms += self._list()
        return All(tuple(terms))

    def _list(self) -> list[Node]:
        terms = [self._factor()]
        while True:
            self._space()
            ended = self.at >= len(self.text) or self.text[self.at] == ")"
            if ended or self._peek("or") or self._peek("and"):
                return terms
            terms.append(self._factor())

    def _factor(self) -> Node:
        self._space()
        if self._accept("-"):
            return Not(self._expression())
        if self._accept("~"):
            return Maybe(self._expression())
        return self._expression()

    def _expression(self) -> Node:
        self._space()
        if not self._accept("("):
            return self._term()
        self.depth += 1
        if self.depth > DEEPEST:
            raise QuerySyntaxError("too many parentheses")
        self.open += 1
        inside = self._either()
        self._space()
        if not self._accept(")"):
            raise QuerySyntaxError("a parenthesis is not closed")
        self.open -= 1
        self.depth -= 1
        return inside

    def _term(self) -> Node:
        if found := _NAME.match(self.text, self.at):
            self.at = found.end()
            return self._value(found[1].lower())
        found = _TERM.match(self.text, self.at)
        if found is None:
            raise QuerySyntaxError(f"a tag was expected at {self.text[self.at : self.at + 20]!r}")
        word = self._without_closing(found[0], keep_balanced=True)
        self.at += len(word)
        if word.lower() in ("and", "or") or not word:
            raise QuerySyntaxError(f"{word!r} is no tag")
        return Wildcard(word.lower()) if "*" in word else Tag(word.lower())

    def _value(self, name: str) -> Metatag:
        quote = self.text[self.at : self.at + 1]
        if quote and quote in _QUOTED:
            found = _QUOTED[quote].match(self.text, self.at)
            if found is None:
                raise QuerySyntaxError("a quote is not closed")
            self.at = found.end()
            return Metatag(name, found[1].replace(f"\\{quote}", quote), quoted=True)
        found = _UNQUOTED.match(self.text, self.at)
        value = self._without_closing(found[0] if found else "", keep_balanced=False)
        self.at += len(value)
        return Metatag(name, re.sub(r"\\\s", " ", value))

    def _without_closing(self, word: str, *, keep_balanced: bool) -> str:
        """Give back the parentheses at the end of a word that close one opened before it."""
        waiting = self.open
        while waiting > 0 and word.endswith(")"):
            if keep_balanced and (word.count("(") == word.count(")") or word in EMOTICONS):
                break
            word = word[:-1]
            waiting -= 1
        return word

    def _space(self) -> None:
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def _accept(self, char: str) -> bool:
        if self.text.startswith(char, self.at):
            self.at += 1
            return True
        return False

    def _peek(self, word: str) -> re.Match[str] | None:
        return re.compile(rf"{word}\s+", re.IGNORECASE).match(self.text, self.at)

    def _keyword(self, word: str) -> bool:
        self._space()
        found = self._peek(word)
        if found is None:
            return False
        self.at = found.end()
        return True
