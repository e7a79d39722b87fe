"""Words of a query are never SQL, and what the catalog keeps as JSON comes back as it was."""

# ruff: noqa: PT017 - either end is fine, and both are looked at
from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import consumers, crawls, stream
from storage.errors import BadQuery, NotFound
from storage.query.fields import FIELDS
from storage.query.language import parse
from storage.query.sql import compile_query
from storage.query.vocabulary import Vocabulary
from storage.reader import Reader
from storage.rows import dumps, loads
from tests.storage.catalog import Catalog, candidate

SQL = (
    *("'", '"', "`", ";", "--", "/*", "*/", "\\", "%", "_", "?", ":x", "@x", "$x", "[", "]", "()"),
    *("' OR 1=1 --", "'; DROP TABLE works; --", "1 UNION SELECT sql FROM sqlite_master", "NULL"),
    *("load_extension('x')", "randomblob(1e9)", "char(0)", "\0", "x'00'", "0x1", "1e999", "-"),
)
texts = st.sampled_from(SQL) | st.text(max_size=10)
words = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "-", "--"]),
    st.sampled_from([*FIELDS, "", "widht", "w.state"]) | texts,
    st.sampled_from(["", ":", ">=", "<=", ">", "<", "=", "=="]),
    texts
    | st.lists(texts, max_size=3).map(",".join)
    | st.sampled_from(["1..2", "..", "1K..", "9M"]),
)
queries = st.lists(words, max_size=6)

MAIN = "_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    made = Catalog(tmp_path_factory.mktemp("queries") / "ws")
    crawl = made.crawl()
    made.page(crawl, *(candidate(str(n), tags={"general": ("1girl", "'")}) for n in range(3)))
    yield made
    made.db.close()


@given(queries)
def test_the_sql_of_a_query_is_made_of_ours_alone(catalog: Catalog, asked: list[str]) -> None:
    try:
        compiled = compile_query(catalog.db, parse(asked, Vocabulary(catalog.db)))
    except BadQuery as error:
        assert str(error)
        return
    for part in compiled.parts:
        sql = part.clause.sql
        assert sql.count("?") == len(part.clause.values)
        # Of quotes there are those of our own paths into JSON, and no other text of any kind.
        ours = sql.replace("'$.score'", "").replace("'$.fav_count'", "")
        ours = ours.replace("('integer', 'real')", "")
        assert not [quote for quote in ("'", '"', ";", "--") if quote in ours]


@given(queries)
def test_any_query_finds_works_or_is_refused_and_changes_nothing(
    catalog: Catalog, asked: list[str]
) -> None:
    with Reader(catalog.workspace) as reader:
        try:
            found = list(reader.query(asked))
            assert reader.count(asked) == len(found)
        except BadQuery as error:
            assert str(error)
        assert reader.count([]) == 3


@given(texts | st.builds("{}:{}".format, texts, texts))
def test_any_name_shows_a_work_or_nothing(catalog: Catalog, name: str) -> None:
    with Reader(catalog.workspace) as reader:
        try:
            assert reader.show(name)["site_id"]
        except NotFound as error:
            assert str(error)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(MAIN + 'é"\\\n\u2028'),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
).filter(lambda value: storable(value))


def storable(value: Any) -> bool:
    """What JSON and UTF-8 can both spell."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, str):
        return not any("\ud800" <= char <= "\udfff" for char in value)
    if isinstance(value, dict):
        return all(storable(key) and storable(inner) for key, inner in value.items())
    return not isinstance(value, list) or all(map(storable, value))


@given(plain)
def test_what_is_kept_as_json_comes_back_as_it_was(value: Any) -> None:
    assert loads(dumps(value)) == value
    assert json.loads(dumps(value)) == value


@given(st.dictionaries(st.text(MAIN, max_size=5), plain, max_size=4), plain)
def test_events_and_cursors_come_back_as_they_were(
    catalog: Catalog, payload: dict[str, Any], cursor: Any
) -> None:
    crawl = catalog.rows("SELECT id FROM crawls")[0][0]
    seq = catalog.write(lambda db: stream.append(db, "retagged", crawl_id=crawl, payload=payload))
    catalog.page(crawl, cursor=cursor)
    with Reader(catalog.workspace) as reader:
        (event,) = reader.events(after=seq - 1)
    assert (event.seq, event.payload) == (seq, payload)
    assert crawls.walks(catalog.db, crawl)[0].cursor == cursor


@given(st.integers(-(2**70), 2**70))
def test_only_what_has_happened_can_be_acknowledged(catalog: Catalog, seq: int) -> None:
    last = catalog.rows("SELECT coalesce(max(seq), 0) FROM events")[0][0]
    try:
        catalog.write(lambda db: consumers.settle(db, "c", [seq]))
    except NotFound:
        assert not 0 <= seq <= last
    else:
        assert 0 <= seq <= last
