"""Danbooru's search language, as far as a crawl must understand it.

A search is terms (tags, wildcards, metatags) joined by ``and`` (or nothing), ``or`` and
parentheses; ``-`` negates and ``~`` makes a term one of several. Only distinct tags, wildcards and
some metatags count against the caller's tag limit; the others filter on the server for free.
Read from danbooru/danbooru: app/logical/post_query.rb, post_query/parser.rb.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from crawler.errors import UsageError

ANONYMOUS_TAG_LIMIT = 2
"""Terms that cost, for callers without an account and for plain members."""

FREE = re.compile(
    r"age|child|date|downvote|duration|embedded|favcount|filesize|filetype|height|id|is|limit|md5"
    r"|mpixels|parent|pixiv|pixiv_id|rating|ratio|score|status|tagcount|upvote|width"
)
"""Metatags that do not count against the tag limit."""

ORDERING = re.compile(r"limit|order|ordfav|ordfavgroup|ordpool|page|random")
"""Metatags that ask for another order or page: paging by id drops them without a word."""

_PAID = re.compile(
    r"ai|appealer|approver|artcomm|comm|comment|commentary|commentaryupdater|commenter|disapproved"
    r"|downvotes|exif|fav|favgroup|flagger|has|note|noter|noteupdater|pixelhash|pool|reacted|search"
    r"|source|unaliased|upvotes|user"
)
_COUNTS = re.compile(
    r"(?:gen|art|copy|char|meta)tags"
    r"|(?:(?:active|deleted)_)?(?:comment|note|child|pool)(?:s|_count)"
    r"|(?:active|deleted)_children|(?:series|collection)_pool(?:s|_count)"
    r"|(?:flag|appeal|approval|replacement|disapproval)(?:s|_count)"
)
_METATAG = re.compile(r"([a-z_]+):")
_QUOTED = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""")
_WORD = re.compile(r"\S*")
_VALUE = re.compile(r"(?:\\\s|\S)*")
_SMILEYS = frozenset((":)", ":(", ";)", ";(", ">:)", ">:("))
"""Tags whose parenthesis is part of the name although nothing closes or opens it."""


@dataclass(frozen=True, slots=True)
class Term:
    """One tag, wildcard or metatag. ``text`` is what is sent, without its sign."""

    text: str
    metatag: str = ""
    sign: str = ""
    negative: bool = False
    """Whether an odd number of ``-`` governs it, counting the groups it stands in."""

    @property
    def value(self) -> str:
        """The tag's name, or what follows the metatag's colon without its quotes."""
        if not self.metatag:
            return self.text
        value = self.text[len(self.metatag) + 1 :]
        return value[1:-1] if _QUOTED.fullmatch(value) else value

    @property
    def wildcard(self) -> bool:
        return not self.metatag and "*" in self.text

    @property
    def tag(self) -> bool:
        return not self.metatag and "*" not in self.text


@dataclass(frozen=True, slots=True)
class Query:
    """A search as its tokens: terms and the words ``(``, ``-(``, ``~(``, ``)``, ``or``, ``and``."""

    tokens: tuple[Term | str, ...]

    @property
    def terms(self) -> tuple[Term, ...]:
        return tuple(token for token in self.tokens if isinstance(token, Term))

    @property
    def either(self) -> bool:
        """Whether some terms are alternatives, so that one of them may be empty."""
        return "or" in self.tokens or any(t.sign == "~" for t in self.terms)

    @property
    def cost(self) -> int:
        """What it counts against the tag limit."""
        terms = self.terms
        tags = {term.text for term in terms if term.tag}
        wildcards = {term.text for term in terms if term.wildcard}
        paid = [term for term in terms if term.metatag and not FREE.fullmatch(term.metatag)]
        return len(tags) + len(wildcards) + len(paid)

    def __str__(self) -> str:
        """The one spelling: sorted without doubles where the order means nothing."""
        words = [t if isinstance(t, str) else t.sign + t.text for t in self.tokens]
        if not any(word in ("or", ")") for word in words):
            return " ".join(sorted({word for word in words if word != "and"}))
        text = ""
        for word, token, after in zip(words, self.tokens, [*words[1:], ")"], strict=True):
            opens = isinstance(token, str) and token.endswith("(")
            text += word if opens or after == ")" else f"{word} "
        return text

    def narrowed(self, *words: str) -> str:
        """This search and all of ``words``: what is sent for one tier."""
        text = f"({self})" if "or" in self.tokens else str(self)
        return " ".join((text, *words))

    @property
    def stable(self) -> bool:
        """Whether its one spelling reads as itself: ``(: )`` without its space does not."""
        try:
            return str(parse(str(self))) == str(self)
        except UsageError:
            return False

    def renamed(self, names: dict[str, str]) -> Query:
        """The same search with some tags called by another name."""
        return Query(
            tuple(
                Term(names[t.text], sign=t.sign, negative=t.negative)
                if isinstance(t, Term) and t.tag and t.text in names
                else t
                for t in self.tokens
            )
        )


def parse(text: str) -> Query:
    """Read a search. Raises UsageError where the site would find nothing for bad syntax."""
    return Query(tuple(_Parser(text.lower()).tokens()))


def is_metatag(name: str) -> bool:
    """Whether ``name:`` starts a metatag; otherwise the colon belongs to a tag's name."""
    return any(kind.fullmatch(name) for kind in (FREE, _PAID, ORDERING, _COUNTS))


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.groups: list[bool] = []
        """For every open group, whether what is in it is negated."""

    def tokens(self) -> list[Term | str]:
        found: list[Term | str] = []
        while (token := self._next()) is not None:
            found.append(token)
        if self.groups:
            raise UsageError(f"a parenthesis is never closed in {self.text!r}")
        _check_operators(found, self.text)
        return found

    def _next(self) -> Term | str | None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        if self.at == len(self.text):
            return None
        if self.text[self.at] == ")":
            if not self.groups:
                raise UsageError(f"a parenthesis was never opened in {self.text!r}")
            self.groups.pop()
            self.at += 1
            return ")"
        sign = self.text[self.at] if self.text[self.at] in "-~" else ""
        self.at += len(sign)
        negative = (self.groups[-1] if self.groups else False) != (sign == "-")
        if self.text.startswith("(", self.at):
            self.groups.append(negative)
            self.at += 1
            return sign + "("
        return self._term(sign, negative)

    def _term(self, sign: str, negative: bool) -> Term | str:
        start = self.at
        name = _METATAG.match(self.text, start)
        if name and is_metatag(name[1]):
            quoted = _QUOTED.match(self.text, name.end())
            if quoted:
                self.at = quoted.end()
                return Term(self.text[start : self.at], name[1], sign, negative)
            word = self._word(start, name=name[1])
            if word == name[0]:
                raise UsageError(f"{word} has no value")
            return Term(word, name[1], sign, negative)
        word = self._word(start)
        if not word or word[0] in "-~":
            raise UsageError(f"a tag is missing in {self.text!r}")
        return word if word in ("or", "and") and not sign else Term(word, "", sign, negative)

    def _word(self, start: int, name: str = "") -> str:
        """The text up to the next space, without the parentheses that close groups."""
        match = (_VALUE if name else _WORD).match(self.text, start)
        word = match[0] if match else ""
        for _ in self.groups:
            tag_ends_here = not name and (_balanced(word) or word in _SMILEYS)
            if not word.endswith(")") or tag_ends_here:
                break
            word = word[:-1]
        self.at = start + len(word)
        return word


def _balanced(word: str) -> bool:
    depth = 0
    for character in word:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return False
    return depth == 0


def _check_operators(tokens: list[Term | str], text: str) -> None:
    """``or`` and ``and`` stand between two things, and a group holds something."""
    for before, word, after in zip(["(", *tokens], tokens, [*tokens[1:], ")"], strict=False):
        opened = isinstance(before, str) and before.endswith(("(", "or", "and"))
        if word in ("or", "and") and (opened or after in (")", "or", "and")):
            raise UsageError(f"{word!r} needs a term on either side in {text!r}")
        if word == ")" and opened:
            raise UsageError(f"an empty group in {text!r}")
