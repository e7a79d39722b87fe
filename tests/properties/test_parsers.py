"""Settings and sidecars of strangers: read, or refused in words; no other end."""

# ruff: noqa: PT017 - either end is fine, and both are looked at
from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler import parsers, settings
from crawler.adapters import sidecar
from crawler.errors import ConfigError

READERS = (
    *(parsers.parse_size, parsers.parse_pixels, parsers.parse_count, parsers.parse_duration),
    *(parsers.parse_switch, parsers.parse_names, parsers.parse_ratings, parsers.parse_contact),
    *(parsers.parse_hosts, parsers.parse_base_url, parsers.parse_proxy),
    *(parsers.whole_number(1, 64), parsers.number_above(0), parsers.one_of("a", "b")),
)
written = st.text("0123456789.,:/-+eEkKmMgGtTiIbBdDhHsS _[]@#?%nafo\u0661\u00b2", max_size=30)
huge = st.builds(
    str.__mul__, st.sampled_from(["9", "1h", "0.", "9" * 300 + "h"]), st.integers(1, 500)
)
urls = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["http://", "https://", "HTTP://", "//", "ftp://", ""]),
    st.sampled_from(["a.example", "[::1]", "[", "u:p@a.example", "127.0.0.1:99999", "é.example"]),
    st.sampled_from(["", ":", ":0", ":80", ":x", ":-1"]),
    st.sampled_from(["", "/", "/x?y", "#z", "\n", " "]),
)
toml = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | written,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__qualname__.partition(".")[0])
@given(value=written | huge | urls | toml)
def test_any_value_of_a_setting_is_read_or_refused_in_words(read: Any, value: Any) -> None:
    try:
        found = read(value)
    except ValueError as problem:
        assert str(problem)
        return
    if isinstance(found, (int, float)):
        assert 0 <= found < math.inf


KEYS = st.sampled_from(
    [
        *("net.contact", "net.connections", "net.allow_hosts", "limits.concurrency", "net.proxy"),
        *("storage.rejected_budget", "sites.danbooru.rate", "sites.x.rate", "sites..rate"),
        *("policy.allow", "policy.resolution.min_side", "policy.nothing.at_all", "net", "", "."),
        *("sites.danbooru.api_key", "net.contact.x", "policy.content.ratings"),
    ]
)


@given(st.dictionaries(KEYS | st.text(max_size=12), toml, max_size=4))
def test_any_flags_are_settings_or_an_error_of_ours(flags: dict[str, Any]) -> None:
    try:
        settings.load(None, flags=flags, environ={})
    except ConfigError as error:
        assert str(error)


@given(st.binary(max_size=200) | st.text("[]=.\"'netcoaprsi1\n#{}, ", max_size=80).map(str.encode))
def test_any_settings_file_is_read_or_refused_with_its_name(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "trawl.toml").write_bytes(data)
    try:
        settings.load(folder, environ={})
    except ConfigError as error:
        assert "trawl.toml" in str(error)


names = st.sampled_from(
    [
        *("tags", "tag_string", "tags_artist", "tag_string_general", "tags_\ud800", "caption"),
        *("rating", "md5", "source", "file_size"),
    ]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(names | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(names, values, max_size=6), st.integers(0, 10))
def test_any_json_beside_a_picture_is_a_sidecar(data: dict[str, Any], size: int) -> None:
    told = sidecar.from_json(json.loads(json.dumps(data)), size)
    for tags in told.tags.values():
        assert all(tag and tag.encode("utf-8") for tag in tags)
    assert told.rating in (None, "g", "s", "q", "e")
    for text in (told.caption, told.source, told.md5):
        assert text is None or text.encode("utf-8")


@given(st.text(max_size=300))
def test_every_word_of_a_caption_is_in_the_tags_or_the_sentence(text: str) -> None:
    tags, caption = sidecar.read_caption(text)
    kept = plain(" ".join([*tags, caption or ""])).replace(" ", "").replace(",", "")
    for word in plain(text).replace(",", " ").split():
        assert word in kept


def plain(text: str) -> str:
    """Without the escapes that trainers write before parentheses."""
    return text.replace("\\(", "(").replace("\\)", ")")


@given(st.binary(max_size=300), st.sampled_from([".json", ".txt", ".jpg.json", ".TXT"]))
def test_any_file_beside_a_picture_is_read_or_told_unreadable(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, suffix: str
) -> None:
    folder = tmp_path_factory.mktemp("beside")
    picture = folder / "one.jpg"
    (folder / f"one{suffix}").write_bytes(data)
    told = sidecar.read(picture, 10)
    if suffix.endswith("json") and not told.unreadable:
        assert isinstance(json.loads(data), dict)


def test_a_sidecar_of_brackets_is_unreadable_and_no_crash(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_bytes(b'{"tags":' + b"[" * 400_000)
    assert sidecar.read(tmp_path / "one.jpg", 10).unreadable == (".json",)
