"""The search language: what is understood, what it costs, what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.demo.query import (
    All,
    Any_,
    Metatag,
    Not,
    QueryError,
    QuerySyntaxError,
    Tag,
    TagLimitError,
    Wildcard,
    parse,
)

WORDS = st.sampled_from(
    [
        "a",
        "b*",
        "-a",
        "~b",
        "(",
        ")",
        "or",
        "and",
        "rating:g",
        'source:"x y"',
        "order:score",
        ":)",
        "~",
        "-",
    ]
)


@given(st.lists(WORDS, max_size=12).map(" ".join) | st.text(max_size=60))
def test_any_text_is_understood_or_is_a_syntax_error(text: str) -> None:
    try:
        query = parse(text)
    except QuerySyntaxError:
        return
    assert query.cost <= len(list(query.leaves()))


def test_very_deep_parentheses_are_a_syntax_error() -> None:
    with pytest.raises(QuerySyntaxError):
        parse("(" * 5000 + "a" + ")" * 5000)


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("", All(())),
        ("Touhou", Tag("touhou")),
        ("a b", All((Tag("a"), Tag("b")))),
        ("a -b", All((Tag("a"), Not(Tag("b"))))),
        ("a or b c", Any_((Tag("a"), All((Tag("b"), Tag("c")))))),
        ("~a ~b", Any_((Tag("a"), Tag("b")))),
        ("c ~a ~b", All((Tag("c"), Any_((Tag("a"), Tag("b")))))),
        ("(a or b) c", All((Any_((Tag("a"), Tag("b"))), Tag("c")))),
        ("-(a b)", Not(All((Tag("a"), Tag("b"))))),
        ("star_(symbol)", Tag("star_(symbol)")),
        ("(star_(symbol) b)", All((Tag("star_(symbol)"), Tag("b")))),
        ("(:))", Tag(":)")),
        ("*_hair", Wildcard("*_hair")),
        ("rating:g,s", Metatag("rating", "g,s")),
        ("RATING:g", Metatag("rating", "g")),
        ('source:"a b"', Metatag("source", "a b", quoted=True)),
        (r"source:a\ b", Metatag("source", "a b")),
        ("(id:5)", Metatag("id", "5")),
        ("unknown:5", Tag("unknown:5")),
        ("a)", Tag("a)")),
        ("a and b", All((Tag("a"), Tag("b")))),
    ],
)
def test_grammar(text: str, root: object) -> None:
    assert parse(text).root == root


@pytest.mark.parametrize("text", ["or", "a or", "(a", ")", "--a", "-", 'source:"x', "and b"])
def test_broken_searches_are_syntax_errors(text: str) -> None:
    with pytest.raises(QuerySyntaxError):
        parse(text)


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("touhou", 1),
        ("touhou touhou", 1),
        ("~a ~b", 2),
        ("a or b", 2),
        ("a -b", 2),
        ("a b*", 2),
        ("touhou rating:g order:score", 2),
        ("a -status:deleted filetype:jpg,png,webp width:>=1024 height:>=1024 rating:g,s", 1),
        ("a source:x", 2),
        ("a has:children", 2),
        ("a id:>5 date:2024-01-01 age:<1y mpixels:>1 ratio:1 score:>5 favcount:>1 limit:5", 1),
    ],
)
def test_cost_counts_distinct_tags_and_metatags_that_are_not_free(text: str, cost: int) -> None:
    assert parse(text).cost == cost


def test_anonymous_searches_have_two_terms() -> None:
    parse("touhou cirno").validate(2)
    parse("touhou rating:g order:score").validate(2)
    with pytest.raises(TagLimitError, match="more than 2 tags at a time"):
        parse("touhou cirno 1girl").validate(2)
    parse("touhou cirno 1girl a b").validate(None)


@pytest.mark.parametrize("name", ["order:score", "limit:5", "random:5"])
def test_single_metatags_stand_once_and_plainly(name: str) -> None:
    other = name[:-1] + "7"
    with pytest.raises(QueryError, match="more than once"):
        parse(f"{name} {other}").validate(None)
    with pytest.raises(QueryError, match="negated"):
        parse(f"a -{name}").validate(None)
    with pytest.raises(QueryError, match="'or' operator"):
        parse(f"a or {name}").validate(None)
