"""The search language: one spelling, its cost, and what is never asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.adapters.danbooru import Danbooru
from crawler.adapters.danbooru.adapter import DanbooruOptions
from crawler.adapters.danbooru.query import parse
from crawler.errors import RefusedQuery, UsageError

danbooru = Danbooru(Danbooru.default_site, DanbooruOptions())


@pytest.mark.parametrize(
    ("words", "canonical"),
    [
        (["Hakurei_Reimu"], "hakurei_reimu"),
        (["solo", "cirno"], "cirno solo"),
        (["solo  cirno\tsolo"], "cirno solo"),
        (["a", "and", "b"], "a b"),
        (["b", "-a"], "-a b"),
        (["( b or a )", "c"], "(b or a) c"),
        (["b or a"], "b or a"),
        (["~b ~a"], "~a ~b"),
        (["re:zero_kara_hajimeru"], "re:zero_kara_hajimeru"),
        ([":)", "smile"], ":) smile"),
        (["(a or :))"], "(a or :))"),
        (["(cirno or rumia_(ex)) solo"], "(cirno or rumia_(ex)) solo"),
        (['source:"a ( b" x'], 'source:"a ( b" x'),
        (["width:>=1000", "cirno"], "cirno width:>=1000"),
    ],
)
def test_a_search_has_one_spelling(words: list[str], canonical: str) -> None:
    assert danbooru.canonical(words) == canonical


@given(st.lists(st.sampled_from(["a", "-b", "~c", "rating:g", "x*", "d_(e)"]), min_size=1))
def test_order_and_doubles_do_not_change_a_plain_search(words: list[str]) -> None:
    assert danbooru.canonical(words) == danbooru.canonical(sorted(set(words), reverse=True))


@given(st.text(max_size=40))
def test_any_text_is_understood_or_refused_and_its_spelling_is_stable(text: str) -> None:
    try:
        canonical = danbooru.canonical([text])
    except UsageError:
        return
    assert danbooru.canonical([canonical]) == canonical


@pytest.mark.parametrize(
    ("search", "cost"),
    [
        ("hakurei_reimu", 1),
        ("hakurei_reimu hakurei_reimu", 1),
        ("touhou -solo", 2),
        ("~a ~b", 2),
        ("a or b", 2),
        ("a_*", 1),
        ("a rating:g width:>=1000 -status:deleted filetype:jpg mpixels:>=1.000 id:>5 date:2026", 1),
        ("a user:b", 2),
        ("a has:parent order:score", 3),
        ("a active_comment_count:>3", 2),
        ("a solo (width:>=1600 or height:>=1200)", 2),
        ("nier:automata", 1),
    ],
)
def test_free_metatags_cost_nothing(search: str, cost: int) -> None:
    assert parse(search).cost == cost


@pytest.mark.parametrize(
    "search",
    ["", "  ", "-", "a -", "(a", ") a", "()", "a or", "or a", "(a or) b", "rating:", "--a"],
)
def test_a_search_that_the_site_finds_nothing_for_is_an_error(search: str) -> None:
    with pytest.raises(UsageError):
        danbooru.canonical([search])


@pytest.mark.parametrize("word", ["order:score", "random:5", "limit:10", "ordfav:me", "page:3"])
def test_orders_that_walking_by_id_would_drop_are_refused(word: str) -> None:
    with pytest.raises(UsageError, match="newest first"):
        danbooru.canonical(["cirno", word])


@pytest.mark.parametrize(
    "search", ["loli", "cirno ~shota", "(a or loli)", "-(-loli a)", "search:loli", "LOLI"]
)
def test_what_content_safety_refuses_is_never_asked(search: str) -> None:
    with pytest.raises(RefusedQuery):
        danbooru.canonical([search])


@pytest.mark.parametrize("search", ["cirno -loli", "cirno -(loli shota)"])
def test_leaving_it_out_may_be_asked(search: str) -> None:
    assert "loli" in danbooru.canonical([search])
