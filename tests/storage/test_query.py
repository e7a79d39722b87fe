"""The query language: a table of words and what they find, and nothing but parameters."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from storage.errors import BadQuery
from storage.query.fields import ALIASES, FIELDS
from storage.query.language import (
    MOST_WORDS,
    Condition,
    HasTag,
    OneOf,
    Query,
    Sort,
    Within,
    parse,
)
from storage.query.periods import Bound
from storage.query.sql import compile_query
from storage.reader import Reader
from storage.records import Ruling
from tests.storage.catalog import Catalog, candidate, rejected, sha256_of


class Words:
    """What a catalog knows, where there is none."""

    reasons = ("blurred", "too_small")
    crawls = ("aa11", "aa11.2", "bb22")
    sites = ("danbooru",)
    measures: Mapping[str, type] = MappingProxyType(
        {
            "quality.sharpness": float,
            "quality.subsampling": str,
            "animated.frames": float,
            "other.frames": float,
        }
    )

    def is_tag(self, name: str) -> bool:
        return name == "re:zero"


def read(*words: str) -> Query:
    return parse(words, Words())


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
            metadata={"score": 12, "fav_count": "many"},
            tags={"general": ("1girl", "hat", *KAOMOJI), "artist": ("aoi",)},
        ),
        candidate(
            "2",
            width=800,
            height=2000,
            bytes=500_000,
            rating="s",
            posted_at="2024-03-01",
            metadata={"score": 7, "fav_count": 3},
            tags={
                "general": ("1girl", "hat_ribbon", "comic", "long_hair"),
                "character": ("aoi",),
                "artist": ("ink",),
            },
        ),
        (
            candidate("3", width=300, height=300, rating="q", tags={"general": ("2girls", "a*b")}),
            rejected("too_small", 300, 768),
        ),
        (candidate("4", parent="1", unavailable="hidden"), Ruling("unavailable", "hidden")),
        candidate("5", posted_at="2024-02-01", tags={"meta": ("what?", "[x]", "re:zero")}),
    )
    # Decoded: 800 x 900.
    measured = {"version": 1, "sharpness": 0.4, "subsampling": "4:2:0"}
    catalog.fetched(crawl, "5", "five", quality=measured)
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
    ("sort:width", "632514"),  # unknown comes last
    ("sort:-width", "152364"),
    ("posted:2024", "125"),
    ("posted:2024-01", "1"),
    ("posted:2024-01..2024-02", "15"),
    ("posted>=2024-02", "25"),
    ("posted>2024-02", "2"),
    ("posted<2024-02", "1"),
    ("posted<=2024-02-01", "15"),
    ("-posted:2024", "346"),
    ("date:2024-03", "2"),
    ("added>=2020", "123456"),
    ("added<2020", ""),
    ("ratio>1", "1"),
    ("aspect:4:3", "1"),
    ("ratio:..1/2", "2"),
    ("megapixels>=1", "12"),
    ("mp<1 mp>0.5", "5"),
    ("score>=10", "1"),
    ("favorites:1..5", "2"),
    ("sort:-score -id:3,4,6", "125"),
    ("quality.sharpness<0.5", "5"),
    ("sharpness>=0.5", ""),
    ("sort:sharpness id:1,5", "51"),
    ("subsampling:4:2:0", "5"),
    ("-sharpness<0.5", "12346"),
    ("artist:aoi,ink", "12"),
    ("tag:hat,comic", "12"),
    ("width!=800", "1346"),
    ("-width!=800", "25"),
    ("rating!=g", "23456"),
    ("width:>=1200", "1"),
    ("width=<=300", "36"),
    ("width==800", "25"),
    ("posted:>2024-02", "2"),
    ("width=300..800", "235"),
    ("width!=300..800", "146"),
    ("posted:2024-01-01T00:00:00Z..2024-02", "5"),
    ("posted:2024-01-01T00:00:00+00:00", ""),
    ("bytes>=2MB", "1"),
    ("filesize>=500kB", "12"),
    ("mpixels>=1", "12"),
    ("state:Accepted", "5"),
    ("reason:TOO_SMALL", "3"),
    ("rating:G", "1"),
    ("site:Site", "123456"),
    ("format:PNG", "123456"),
    ("ext:jpeg", ""),
    ('"1girl"', "12"),
    ('-"1girl"', "3456"),
    ('tag:"long hair"', "2"),
    ("long_hair", "2"),
]


@pytest.mark.parametrize(("words", "ids"), TABLE, ids=[words or "nothing" for words, _ in TABLE])
def test_words_find_works(reader: Reader, words: str, ids: str) -> None:
    assert found(reader, words) == ids


def test_a_whole_crawl_id_is_that_crawl_and_no_later_one(reader: Reader) -> None:
    second, first = reader.crawls()[0].crawl.id, reader.crawls()[1].crawl.id
    assert second == f"{first}.2"
    assert found(reader, f"crawl:{first}") == "12345"
    assert found(reader, f"crawl:{second}") == "6"
    assert found(reader, f"crawl:{first[:5]}") == "123456"


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("order:score", "sort:-score"),
        ("age<30d", "added>=2024-06"),
        ("limit:3", "--limit 3"),
        ("colour_depth>5", "fields: "),
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
        read(word)
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
        read(word)
    assert told in error.value.hint


@pytest.mark.parametrize(
    "word",
    [
        *("width>=big", "width>=", "width:", "width:..", "width:1..x", "pixels>=1,2", "bytes>=-1"),
        *("rating:", "rating:,", "rating>=g", "artist:", "artist>3", "tag:", "-"),
        *("sort:", "sort:colour", "sort:-", "sort>pixels", "sort!=pixels", "state<3"),
        *("width:1200..1000", "posted:2024-03..2024-01", "width:>=", "width>=>3", "side>=1MB"),
        *("parent:*", "site:dan*", "id:*"),
        "caf\udce9",
        "x" * 5_000,
    ],
)
def test_what_cannot_be_understood_is_told(word: str) -> None:
    with pytest.raises(BadQuery):
        read(word)


def test_a_work_as_it_is_printed_is_no_field_but_its_site_and_id() -> None:
    with pytest.raises(BadQuery) as error:
        read("danbooru:123")
    assert error.value.hint == "one work is: site:danbooru id:123"


def test_a_star_in_quotes_is_itself() -> None:
    assert read('id:"a*b"') == Query((Condition(OneOf("id", ("a*b",))),))


def test_jpeg_is_what_the_catalog_calls_jpg() -> None:
    assert read("format:JPEG,png") == Query((Condition(OneOf("format", ("jpg", "png"))),))


def test_a_size_of_zero_is_a_size_that_nobody_knows(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "ws")
    unsized = candidate("1", width=0, height=0, bytes=0)
    catalog.page(catalog.crawl(), unsized, candidate("2", width=1, height=1, bytes=1))
    catalog.db.close()
    with Reader(catalog.workspace) as reader:
        for words in ("width<9", "height<9", "bytes<9", "ratio<9"):
            assert found(reader, words) == "2"
        assert found(reader, "sort:width") == "21"


def test_a_query_has_an_end() -> None:
    with pytest.raises(BadQuery, match=f"at most {MOST_WORDS} words"):
        read("a " * (MOST_WORDS + 1))


INJECTIONS = (
    '"\'; DROP TABLE works; --"',
    "\"1girl' OR '1'='1\"",
    '"x\') OR 1=1 --"',
    'tag:"x\' UNION SELECT * FROM crawls --"',
    'id:"1) OR (1=1"',
    "artist:\"*' OR t.name GLOB '*\"",
    "site:'OR'1'='1",
    "\x00",
    "a\x00b",
)


@pytest.mark.parametrize("word", INJECTIONS)
def test_what_looks_like_sql_is_only_text(reader: Reader, word: str) -> None:
    assert found(reader, word) == ""
    (part,) = compile_query(reader.db, parse([word], Words())).parts
    assert "'" not in part.clause.sql


@pytest.mark.parametrize(
    "word",
    [
        *(
            "sha256:'OR(1=1)--",
            "crawl:'OR''='",
            "reason:g')OR('1'='1",
            "width:1;DROP",
            "sort:1;DROP",
        ),
        'sort:"width; DROP TABLE works"',
        'posted:"2024; DROP TABLE works"',
        'group:"x; DROP TABLE works"',
    ],
)
def test_sql_is_no_hash_number_date_or_order(reader: Reader, word: str) -> None:
    with pytest.raises(BadQuery):
        list(reader.query([word]))


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
@example(words=["a " * 300])
@example(words=["*" * 1_999])
def test_any_words_are_a_query_or_a_bad_one(reader: Reader, words: list[str]) -> None:
    try:
        ids = [image.site_id for image in reader.query(words)]
    except BadQuery:
        with pytest.raises(BadQuery):
            reader.count(words)
    else:
        assert len(ids) == len(set(ids)) == reader.count(words)


def test_every_field_and_alias_can_be_asked(reader: Reader) -> None:
    values = {
        "sort": "width",
        "state": "accepted",
        "rating": "g",
        "posted": "2024",
        "added": "2024",
        "reason": "too_small",
        "crawl": reader.crawls()[0].crawl.id,
        "group": "site:5",
    }
    for word in (*FIELDS, *ALIASES):
        list(reader.query([f"{word}:{values.get(ALIASES.get(word, word), '1')}"]))


def test_every_field_and_alias_stands_in_the_reference() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "query.md"
    named = set(re.findall(r"[a-z0-9]+", " ".join(re.findall(r"`([^`]+)`", page.read_text()))))
    # Other spellings need no page.
    assert {*FIELDS, *ALIASES} - named <= {"favourites", "license", "series"}


def test_blanks_part_words_unless_they_are_quoted() -> None:
    assert read("1girl  -comic", "hat") == read("1girl", "-comic", "hat")
    assert read('-"long hair"') == Query((Condition(HasTag(("long hair",)), negated=True),))
    assert read('artist:"a b",c') == Query((Condition(HasTag(("a b", "c"), "artist")),))
    assert read("jeanne_d'arc 5\"x") == Query(
        (Condition(HasTag(("jeanne_d'arc",))), Condition(HasTag(('5"x',))))
    )


def test_a_tag_with_a_colon_that_works_have_is_that_tag() -> None:
    assert read("re:zero") == read("tag:re:zero")
    assert read("-re:zero") == read("-tag:re:zero")
    with pytest.raises(BadQuery, match="no field called 're'"):
        read("re:one")


def test_a_measure_needs_its_filter_only_where_two_have_it() -> None:
    assert read("sharpness<0.3") == read("quality.sharpness<0.3")
    assert read("sharpness<0.3") == Query(
        (Condition(Within("quality.sharpness", high=Bound(0.3, open=True))),)
    )
    assert read("animated.frames>1").conditions
    with pytest.raises(BadQuery, match="several filters") as error:
        read("frames>1")
    assert "animated.frames or other.frames" in error.value.hint
    assert read("sort:-sharpness").sort == Sort("quality.sharpness", descending=True)


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("sharpnes<1", "sharpness"),
        ("quality.sharp<1", "quality.sharpness"),
        ("foo.bar<1", "measures: "),
        ("sort:subsampling", "there are: id, width"),
        ("reason:blured", "blurred"),
        ("reason:zzz", "there are: blurred, too_small"),
        ("crawl:cc", "aa11"),
        ("state>accepted", "can be compared"),
        ("posted:2024-13", ""),
        ("posted:2023-02-29", ""),
        ("posted>yesterday", ""),
        ("posted:..", ""),
        ("ratio:1:0", ""),
        ("sort:random:x", ""),
        ("sha256:xyz", ""),
        ("frames:", ""),
    ],
)
def test_what_is_wrong_names_what_is_right(word: str, told: str) -> None:
    with pytest.raises(BadQuery) as error:
        read(word)
    assert told in error.value.hint


def test_a_crawl_is_named_whole_or_by_its_start() -> None:
    assert read("crawl:aa11") == read("crawl:AA11")
    assert read("crawl:aa11") != read("crawl:aa")
    assert read("crawl:aa") == read("crawl:aa11,aa11.2")


def test_megapixels_are_pixels_in_millions() -> None:
    assert read("mp>=2") == read("pixels>=2M")
    assert read("sort:-mp") == read("sort:-pixels")


def test_works_of_one_picture_are_a_group(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "ws")
    crawl = catalog.crawl()
    catalog.page(crawl, *(candidate(str(n)) for n in range(4)))
    catalog.fetched(crawl, "0", "one")
    catalog.fetched(crawl, "2", "one")
    catalog.fetched(crawl, "3", "three")
    catalog.db.close()
    with Reader(catalog.workspace) as reader:
        for name in ("site:0", "site:2", sha256_of("one")[:8], f'"{sha256_of("one")}"'):
            assert found(reader, f"group:{name}") == "02"
        assert found(reader, "group:site:1") == "1"
        assert found(reader, "-group:site:0") == "13"
        with pytest.raises(BadQuery, match="group:site:9"):
            reader.count(["group:site:9"])
