"""What lies beside a picture is read with care."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.adapters import sidecar

MD5 = "0123456789abcdef" * 2


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"12345")
    return path


def beside(picture: Path, name: str, content: Any) -> sidecar.Sidecar:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    (picture.parent / name).write_bytes(data)
    return sidecar.read(picture, 5)


@pytest.mark.parametrize(
    "text",
    [
        "1girl, solo, red bow",
        "1girl,solo,,red bow\n",
        "1girl\nsolo\nred bow",
        "\ufeff1girl, solo, red bow".lstrip("\ufeff"),
    ],
)
def test_short_parts_are_tags(text: str) -> None:
    assert sidecar.read_caption(text) == (("1girl", "solo", "red bow"), None)


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("1girl hakurei_reimu solo", ("1girl", "hakurei_reimu", "solo")),
        ("1girl a_b c d e f g h", ("1girl", "a_b", "c", "d", "e", "f", "g", "h")),
        ("landscape", ("landscape",)),
        (r"star \(symbol\), sky", ("star (symbol)", "sky")),
        ("sky, sky", ("sky",)),
        ("smile, ...", ("smile", "...")),
    ],
)
def test_other_ways_to_write_tags(text: str, tags: tuple[str, ...]) -> None:
    assert sidecar.read_caption(text) == (tags, None)


@pytest.mark.parametrize(
    "text",
    [
        "A girl in a red dress.",
        "a girl in a red dress, standing on a hill under a stormy sky",
        "two cats",
        "A cat. A dog.",
    ],
)
def test_sentences_are_captions(text: str) -> None:
    assert sidecar.read_caption(text) == ((), text)


def test_an_empty_text_says_nothing() -> None:
    assert sidecar.read_caption(" \n ") == ((), None)


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("loli, nude, standing in the middle of a large room with windows", ("loli", "nude")),
        ("1girl, red bow\nA girl stands on a hill.", ("1girl", "red bow")),
    ],
)
def test_tags_beside_a_sentence_stay_tags(text: str, tags: tuple[str, ...]) -> None:
    assert sidecar.read_caption(text) == (tags, " ".join(text.split()))


@given(
    st.text(max_size=200) | st.lists(st.sampled_from(["a_b", "c d", ", ", ". ", "\n"])).map("".join)
)
def test_no_word_of_a_text_is_lost(text: str) -> None:
    tags, caption = sidecar.read_caption(text)
    assert all(tags)
    assert len(set(tags)) == len(tags)
    told = " ".join([*tags, caption or ""]).replace(",", " ").split()
    said = text.replace("\\(", "(").replace("\\)", ")").replace(",", " ").split()
    assert set(said) <= set(told) or caption == " ".join(text.split())


@pytest.mark.parametrize("name", ["a.jpg.json", "a.json"])
def test_the_json_of_gallery_dl_is_understood(picture: Path, name: str) -> None:
    found = beside(
        picture,
        name,
        {
            "tag_string_general": "1girl solo",
            "tag_string_artist": "someone",
            "tags_character": ["hakurei_reimu"],
            "rating": "s",
            "source": " https://example.org/1 ",
            "md5": MD5,
            "file_size": 5,
        },
    )
    assert found.tags == {
        "general": ("1girl", "solo"),
        "artist": ("someone",),
        "character": ("hakurei_reimu",),
    }
    assert (found.rating, found.source, found.md5) == ("s", "https://example.org/1", MD5)


@pytest.mark.parametrize(
    "tags", ["1girl solo", ["1girl", "solo"], "1girl, solo", ["1girl", 3, "solo"]]
)
def test_tags_without_categories_have_none(picture: Path, tags: Any) -> None:
    assert beside(picture, "a.json", {"tags": tags}).tags == {"": ("1girl", "solo")}


def test_the_hash_of_another_file_is_not_believed(picture: Path) -> None:
    assert beside(picture, "a.json", {"md5": MD5, "file_size": 6}).md5 is None


@pytest.mark.parametrize(
    ("data", "tags"),
    [
        ({"tags_artist": "someone", "tags": ["wings"]}, {"artist": ("someone",), "": ("wings",)}),
        (
            {"tags": {"general": ["wings"], "species": ["fairy"], "artist": []}},
            {"general": ("wings",), "": ("fairy",)},
        ),
        ({"tags": {"wings": 0.9, "solo": 0.8}}, {"": ("wings", "solo")}),
        ({"tags": {"general": {"wings": 0.9}}}, {"general": ("wings",)}),
        ({"tags": [{"name": "wings"}, ["solo"]]}, {"": ("wings", "solo")}),
        ({"tags_species": ["fairy"], "tag_string_lore": "x"}, {"": ("fairy", "x")}),
        (
            {"tag_string": "a wings", "tag_string_artist": "a", "tags": "wings sky"},
            {"artist": ("a",), "": ("wings", "sky")},
        ),
    ],
)
def test_all_tags_of_a_json_are_found(picture: Path, data: Any, tags: Any) -> None:
    assert beside(picture, "a.json", data).tags == tags


def test_all_sidecars_of_a_picture_count(picture: Path) -> None:
    beside(picture, "a.jpg.json", {"tags_artist": "someone", "rating": "s", "source": "one"})
    beside(picture, "a.json", {"tags": ["red_bow"], "rating": "explicit", "caption": "A hill."})
    beside(picture, "a.jpg.txt", b"red bow, someone, sky")
    found = beside(picture, "a.TXT", b"cirno, standing in front of a large old house")
    assert found.tags == {"artist": ("someone",), "": ("red_bow", "sky", "cirno")}
    assert (found.rating, found.source) == ("e", "one")
    assert found.caption == "cirno, standing in front of a large old house\nA hill."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_is_read_in_the_encoding_that_it_marks(picture: Path, encoding: str) -> None:
    assert beside(picture, "a.txt", "cirno, ロリ".encode(encoding)).tags == {"": ("cirno", "ロリ")}


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[1]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a": "' + b"x" * sidecar.MAX_BYTES + b'"}',
        b"9" * 5000,
        b"",
    ],
    ids=["cut", "list", "bytes", "deep", "large", "number", "empty"],
)
def test_a_sidecar_that_cannot_be_read_is_told(picture: Path, content: bytes) -> None:
    found = beside(picture, "a.jpg.json", content)
    assert found == sidecar.Sidecar(unreadable=(".json",))


def test_tags_are_read_or_told_however_deep_they_lie(picture: Path) -> None:
    for depth in range(1, 1200, 7):
        found = beside(
            picture, "a.json", b'{"tags": ' + b"[" * depth + b'"x"' + b"]" * depth + b"}"
        )
        assert (found.tags, found.unreadable) in (({"": ("x",)}, ()), ({}, (".json",)))


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00",
        b"\xff",
        "solo".encode("utf-16-le"),
        b"x" * (sidecar.MAX_BYTES + 1),
    ],
    ids=["cut", "latin", "unmarked", "large"],
)
def test_a_text_that_is_no_text_is_told(picture: Path, content: bytes) -> None:
    assert beside(picture, "a.txt", content) == sidecar.Sidecar(unreadable=(".txt",))


def test_a_link_is_not_followed_but_told(picture: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("cirno, solo")
    (picture.parent / "a.txt").symlink_to(tmp_path / "secret")
    (picture.parent / "a.json").symlink_to(tmp_path / "nothing")
    assert sidecar.read(picture, 5) == sidecar.Sidecar(unreadable=(".json", ".txt"))


def test_what_cannot_be_a_sidecar_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    assert sidecar.read(tmp_path / "a.jpg", 5) == sidecar.Sidecar()
    assert sidecar.read(tmp_path / f"{'a' * 250}.jpg", 5) == sidecar.Sidecar()


@given(
    st.dictionaries(
        st.sampled_from(
            ["tags", "tag_string", "tags_artist", "rating", "source", "md5", "file_size"]
        ),
        st.recursive(st.none() | st.text() | st.integers(), lambda x: st.lists(x, max_size=3)),
    )
)
def test_no_json_is_more_than_nonsense(data: dict[str, Any]) -> None:
    found = sidecar.from_json(data, 5)
    assert found.rating in (None, "g", "s", "q", "e")
    assert str(found).encode("utf-8")
