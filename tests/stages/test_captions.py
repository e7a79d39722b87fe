"""Captions: the trigger first, then who and what, in words that no trainer misreads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.captions import Captioner, CaptionOptions
from storage.records import AcceptedImage

TAGS = {
    "general": ("1girl", "2boys", "^_^", "highres", "long_hair", "solo", "|_|"),
    "character": ("hakurei_reimu",),
    "copyright": ("touhou", "fate_(series)"),
    "artist": ("some_artist",),
    "meta": ("absurdres", "commentary"),
}


def caption(
    tags: Mapping[str, tuple[str, ...]], image: dict[str, Any] | None = None, **o: Any
) -> str:
    fields = {"tags": tags, **(image or {})}
    given_image = AcceptedImage(0, "s", "1", "00", Path("x"), "jpg", 1, 1, 1, "accepted", **fields)
    return Captioner(CaptionOptions(**o)).caption(given_image)


def test_the_order_is_trigger_count_character_series_general() -> None:
    assert caption(TAGS, trigger="rmu") == (
        "rmu, 1girl, 2boys, solo, hakurei reimu, touhou, fate (series), ^_^, long hair, |_|"
    )


def test_artist_meta_quality_and_rating_come_last_where_they_are_asked_for() -> None:
    text = caption(
        TAGS,
        {"rating": "q"},
        with_artist=True,
        with_meta=True,
        with_quality=True,
        with_rating=True,
    )
    assert text.endswith(", |_|, some artist, commentary, highres, absurdres, questionable")


def test_a_trigger_that_is_the_characters_tag_is_not_repeated() -> None:
    assert caption(TAGS, trigger="hakurei_reimu").count("reimu") == 1
    assert caption(TAGS, trigger="hakurei_reimu").startswith("hakurei_reimu, 1girl")


def test_the_same_words_appear_once() -> None:
    assert caption({"general": ("long_hair", "Long Hair"), "": ("long hair", "tag")}) == (
        "long_hair".replace("_", " ") + ", tag"
    )


def test_faces_keep_their_underscore() -> None:
    faces = (
        "0_0 (o)_(o) +_+ +_- ._. <o>_<o> <|>_<|> =_= >_< 3_3 6_9 >_o @_@ ^_^ o_o u_u x_x "
        "|_| ||_|| ;_;"
    )
    assert caption({"general": tuple(faces.split())}) == faces.replace(" ", ", ")


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("a,b", "a b"),
        ("{smile}", "(smile)"),
        ("a|b", "a b"),
        ("a;;;b", "a;b"),
        ("a|||b", "a b"),
        ("line\nbreak\r\u2028x", "line break x"),
        ("\ufeffmark\u202e\ud800", "mark"),
        ("touhou_project_(series)", "touhou project (series)"),
    ],
)
def test_what_kohya_would_take_for_syntax_is_replaced(tag: str, words: str) -> None:
    assert caption({"general": (tag,)}) == words


def test_dropped_tags_are_whole_tags_unless_a_star_says_otherwise() -> None:
    tags = {"general": ("hair", "hair_bow", "blue_eyes")}
    assert caption(tags, drop=("hair",)) == "hair bow, blue eyes"
    assert caption(tags, drop=("hair*", "Blue_Eyes")) == "image"


def test_a_limit_drops_general_tags_first() -> None:
    assert caption(TAGS, trigger="t", max_tags=6, with_artist=True) == (
        "t, 1girl, 2boys, solo, hakurei reimu, touhou, fate (series)"
    )
    assert caption(TAGS, max_tags=8, with_artist=True).endswith("(series), ^_^, some artist")


def test_without_tags_the_sites_sentence_speaks_then_the_class_word_then_the_trigger() -> None:
    sentence = {"caption": " A dog,\non a {red|blue} sofa. "}
    assert caption({}, sentence, trigger="t") == "t, A dog, on a (red blue) sofa."
    assert caption({}, trigger="t", class_word="dog") == "t, dog"
    assert caption({}, class_word="dog") == "dog"
    assert caption({}, trigger="t") == "t"
    assert caption({}) == "image"
    assert caption({"general": (",", "\u200b")}) == "image"


def test_parentheses_are_escaped_only_where_that_is_asked_for() -> None:
    assert caption({"copyright": ("fate_(series)",)}, escape=True) == r"fate \(series\)"


@given(st.dictionaries(st.sampled_from([*TAGS, ""]), st.lists(st.text()).map(tuple)), st.text())
def test_any_text_gives_one_line_that_is_never_empty(
    tags: dict[str, tuple[str, ...]], sentence: str
) -> None:
    text = caption(tags, {"caption": sentence})
    assert text.strip()
    assert len(text.splitlines()) == 1
    assert text.encode("utf-8").decode("utf-8-sig") == text
    assert not set(text) & set("{}\0\ufeff")
    assert ";;;" not in text
    assert "|||" not in text
