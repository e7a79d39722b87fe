"""The query language: a table of words and what they find, and nothing but parameters."""

from __future__ import annotations

import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from storage.errors import BadQuery
from storage.query import FIELDS, compile_query
from storage.reader import Reader
from storage.records import Ruling
from tests.storage.catalog import Catalog, candidate, rejected, sha256_of

KAOMOJI = (">_<", "^_^", ":d", "+_+", "=_=", "o_o", ";)", "@_@")


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    catalog = Catalog(tmp_path_factory.mktemp("query") / "ws")
    crawl = catalog.crawl("first")
    catalog.page(
        crawl,
        candidate(
            "1",
            width=1200,
            height=900,
            bytes=2_000_000,
            rating="g",
            posted_at="2024-01-01",
            tags={"general": ("1girl", "hat", *KAOMOJI), "artist": ("aoi",)},
        ),
        candidate(
            "2",
            width=800,
            height=2000,
            bytes=500_000,
            rating="s",
            posted_at="2024-03-01",
            tags={"general": ("1girl", "hat_ribbon", "comic"), "character": ("aoi",)},
        ),
        (
            candidate("3", width=300, height=300, rating="q", tags={"general": ("2girls", "a*b")}),
            rejected("too_small", 300, 768),
        ),
        (candidate("4", parent="1", unavailable="hidden"), Ruling("unavailable", "hidden")),
        candidate("5", posted_at="2024-02-01", tags={"meta": ("what?", "[x]", "re:zero")}),
    )
    catalog.fetched(crawl, "5", "five")  # decoded: 800 x 900
    other = catalog.crawl("first")
    catalog.page(other, candidate("6", width=1, height=1))
    catalog.db.close()
    with Reader(catalog.workspace) as reader:
        yield reader


def found(reader: Reader, *words: str) -> str:
    ids = "".join(image.site_id for image in reader.query(words))
    assert reader.count(words) == len(ids)
    return ids


TABLE = [
    ("", "123456"),
    ("1girl", "12"),
    ("-1girl", "3456"),
    ("1girl -comic", "1"),
    ("1girl hat", "1"),
    ("hat", "1"),
    ("hat*", "12"),
    ("*girl*", "123"),
    ("-hat*", "3456"),
    ("*_ribbon", "2"),
    ("a*b", "3"),
    ("what?", "5"),
    ("what?*", "5"),
    ("w*?", "5"),
    ("h?t*", ""),
    ("[x]*", "5"),
    ("aoi", "12"),
    ("artist:aoi", "1"),
    ("-artist:aoi", "23456"),
    ("character:a*", "2"),
    ("general:aoi", ""),
    ("meta:what?", "5"),
    ("tag:re:zero", "5"),
    ("tag:1girl", "12"),
    ("-tag:1girl", "3456"),
    *((word, "1") for word in KAOMOJI),
    ("->_<", "23456"),
    ("rating:g", "1"),
    ("rating:g,s", "12"),
    ("rating=g", "1"),
    ("rating:general,sensitive", "12"),
    ("-rating:questionable", "12456"),
    ("-rating:g", "23456"),  # those whose rating nobody knows, too
    ("-rating:g,s", "3456"),
    ("site:site", "123456"),
    ("site:other", ""),
    ("id:1,3", "13"),
    ("parent:1", "4"),
    ("-parent:1", "12356"),
    ("state:accepted", "5"),
    ("state:pending,accepted", "1256"),
    ("reason:too_small", "3"),
    ("-reason:too_small", "12456"),
    ("format:png", "123456"),
    ("width>=1200", "1"),
    ("width>1200", ""),
    ("width<=300", "36"),
    ("width<300", "6"),
    ("width=800", "25"),
    ("width:800", "25"),
    ("-width>=800", "346"),
    ("width:300..800", "235"),
    ("width:801..", "1"),
    ("width:..300", "36"),
    ("-width:300..800", "146"),
    ("side>=800", "125"),
    ("pixels>=0.9M", "12"),
    ("pixels>=900k", "12"),
    ("bytes>=2M", "1"),
    ("bytes>=0.0005G", "12"),
    ("bytes:..1000", "5"),
    ("position<=2", "126"),
    ("sha256:" + sha256_of("five")[:8], "5"),
    ("sha256:" + sha256_of("five")[:8].upper(), "5"),
    ("-sha256:" + sha256_of("five")[:8], "12346"),
    ("sort:pixels state:pending", "612"),
    ("sort:-pixels state:pending", "216"),
    ("sort:posted -id:3,4,6", "152"),
    ("sort:-id", "654321"),
]


@pytest.mark.parametrize(("words", "ids"), TABLE, ids=[words or "nothing" for words, _ in TABLE])
def test_words_find_works(reader: Reader, words: str, ids: str) -> None:
    assert found(reader, *words.split()) == ids


def test_a_whole_crawl_id_is_that_crawl_and_no_later_one(reader: Reader) -> None:
    second, first = reader.crawls()[0].crawl.id, reader.crawls()[1].crawl.id
    assert second == f"{first}.2"
    assert found(reader, f"crawl:{first}") == "12345"
    assert found(reader, f"crawl:{second}") == "6"
    assert found(reader, f"crawl:{first[:5]}") == "123456"


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("widht>=3", "width"),
        ("witdh:3", "width"),
        ("ratings:g", "rating"),
        ("reasn:x", "reason"),
        ("sha:ab", "sha256"),
        ("foo:bar", "fields: width"),
    ],
)
def test_an_unknown_field_names_the_close_ones(word: str, told: str) -> None:
    with pytest.raises(BadQuery, match="no field called") as error:
        compile_query([word])
    assert told in error.value.hint
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("state:acepted", "did you mean accepted"),
        ("-state:accepted,faild", "did you mean failed"),
        ("state:x", "there are: accepted, rejected"),
        ("rating:genral", "did you mean general"),
        ("rating=x", "there are: general, sensitive"),
    ],
)
def test_a_state_or_rating_that_there_is_not_names_those_there_are(word: str, told: str) -> None:
    with pytest.raises(BadQuery, match="is called") as error:
        compile_query([word])
    assert told in error.value.hint


@pytest.mark.parametrize(
    "word",
    [
        *("width>=big", "width>=", "width:", "width:..", "width:1..x", "pixels>=1,2", "bytes>=-1"),
        *("rating:", "rating:,", "rating>=g", "artist:", "artist>3", "tag:", "-"),
        *("sort:", "sort:colour", "sort:-", "state<3"),
        "caf\udce9",
        "x" * 5_000,
    ],
)
def test_what_cannot_be_understood_is_told(word: str) -> None:
    with pytest.raises(BadQuery):
        compile_query([word])


def test_a_query_has_an_end() -> None:
    with pytest.raises(BadQuery, match="at most"):
        compile_query(["a"] * 1_000)


INJECTIONS = (
    "'; DROP TABLE works; --",
    "1girl' OR '1'='1",
    "x') OR 1=1 --",
    "tag:x' UNION SELECT * FROM crawls --",
    "reason:g') OR ('1'='1",
    "sha256:' OR 1=1 --",
    "crawl:' OR '' = '",
    "id:1) OR (1=1",
    "artist:*' OR t.name GLOB '*",
    "\x00",
    "a\x00b",
)


@pytest.mark.parametrize("word", INJECTIONS)
def test_what_looks_like_sql_is_only_text(reader: Reader, word: str) -> None:
    assert found(reader, word) == ""
    compiled = compile_query([word])
    assert word.removeprefix("-") not in compiled.where
    assert "'" not in compiled.where.replace("' || '", "")


@pytest.mark.parametrize("field", ["width", "bytes", "sort"])
def test_sql_is_no_number_and_no_order(field: str) -> None:
    with pytest.raises(BadQuery):
        compile_query([f"{field}:1; DROP TABLE works"])


pieces = st.one_of(
    st.sampled_from([*FIELDS, "widht", "1girl", "c.id"]),
    st.sampled_from([":", "=", ">=", "<=", "<", ">", "..", ",", "-", "*", "?", "[", "]", "'", '"']),
    st.sampled_from(["1", "0.9M", "2k", "9" * 400, "٣", "1e5", "--", ";", "\n"]),
    st.text(max_size=4),
    st.text(string.printable, max_size=4),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(st.lists(pieces, max_size=5).map("".join), max_size=4))
@example(words=["rating:" + "," * 100])
@example(words=["*" * 1_999])
def test_any_words_are_a_query_or_a_bad_one(reader: Reader, words: list[str]) -> None:
    try:
        ids = [image.site_id for image in reader.query(words)]
    except BadQuery:
        with pytest.raises(BadQuery):
            reader.count(words)
    else:
        assert len(ids) == len(set(ids)) == reader.count(words)


def test_the_fields_of_the_help_are_those_there_are(tmp_path: Path) -> None:
    for field in FIELDS:
        closed = {"sort": "sort:width", "state": "state:accepted", "rating": "rating:g"}
        word = closed.get(field, f"{field}:1")
        assert compile_query([word]).where
