"""Records survive the catalog unchanged."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.candidates import read_candidate
from storage.records import Candidate, Rung
from storage.rows import dumps, loads
from tests.storage.catalog import Catalog, candidate, picture

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
maybe_text = st.none() | text
number = st.none() | st.integers(0, 2**40)
json_value = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
rungs = st.builds(
    Rung,
    location=text,
    kind=st.sampled_from(["url", "file"]),
    width=number,
    height=number,
    bytes=number,
    md5=maybe_text,
    format=maybe_text,
)
candidates = st.builds(
    Candidate,
    site=st.just("site"),
    origin=st.just("o"),
    site_id=st.just("1"),
    ladder=st.lists(rungs, max_size=3).map(tuple),
    page_url=maybe_text,
    source_url=maybe_text,
    tags=st.dictionaries(text, st.lists(text, min_size=1, max_size=3).map(tuple), max_size=3),
    caption=maybe_text,
    rating=maybe_text,
    licence=maybe_text,
    posted_at=maybe_text,
    parent=maybe_text,
    pixel_hash=maybe_text,
    animated=st.none() | st.booleans(),
    unavailable=maybe_text,
    metadata=st.dictionaries(text, json_value, max_size=3),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(work=candidates)
def test_a_candidate_is_read_as_it_was_written(catalog: Catalog, work: Candidate) -> None:
    crawl = catalog.crawl()
    catalog.page(crawl, work)
    assert read_candidate(catalog.db, catalog.id("1")) == work


@given(value=json_value)
def test_json_survives(value: object) -> None:
    assert loads(dumps(value)) == value
    assert loads(None) is None


def test_a_work_is_shown_with_decoded_sizes_where_there_are_any(catalog: Catalog) -> None:
    from storage.reader import Reader

    crawl = catalog.crawl()
    claimed = candidate("1", width=1, height=2, bytes=3)
    catalog.page(crawl, claimed, replace(claimed, site_id="2"))
    catalog.fetched(crawl, "1", "one", size=50, quality={"version": 1, "score": 0.5})
    with Reader(catalog.workspace) as reader:
        decoded = reader.image(catalog.id("1"), crawl)
        unseen = reader.image(catalog.id("2"), crawl)
    assert decoded is not None
    assert (decoded.width, decoded.height, decoded.bytes, decoded.state) == (
        800,
        900,
        50,
        "accepted",
    )
    assert decoded.path is not None
    assert decoded.path.read_bytes() == picture("one", 50)[1]
    assert decoded.measures == {"quality": {"version": 1, "score": 0.5}}
    assert decoded.file_url == claimed.ladder[0].location
    assert unseen is not None
    assert (unseen.width, unseen.height, unseen.bytes, unseen.path) == (1, 2, 3, None)
