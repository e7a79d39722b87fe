"""Readable names: nothing a site says leaves the folder, collides or confuses a loader."""

from __future__ import annotations

import random
import unicodedata
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.names import MAX_STEM_BYTES, readable_name, readable_names
from storage.records import AcceptedImage


def image(
    site: str = "danbooru", site_id: str = "1", artist: str | None = None, sha256: str = "00"
) -> AcceptedImage:
    tags = {"artist": (artist,)} if artist is not None else {}
    return AcceptedImage(0, site, site_id, sha256, Path("x"), "jpg", 1, 1, 1, "accepted", tags=tags)


@pytest.mark.parametrize(
    ("given_image", "name"),
    [
        (image("danbooru", "123456", "some_artist"), "danbooru-123456-some-artist"),
        (image("danbooru", "7"), "danbooru-7"),
        (image("Yandex", "AbC", "O'Neil (Artist)"), "yandex-abc-o-neil-artist"),
        (image("danbooru", "7", "banned_artist"), "danbooru-7"),
        (image("danbooru", "7", "東方_project"), "danbooru-7-東方-project"),
        (image("danbooru", "7", "../../etc/passwd"), "danbooru-7-etc-passwd"),
        (image("danbooru", "7", "-.hidden."), "danbooru-7-hidden"),
        (image("danbooru", "7", "a\u200bb\u202ec\nd"), "danbooru-7-abc-d"),
        (image("danbooru", "7", "e\u0301"), "danbooru-7-\u00e9"),
        (image("a", "b", "masklabel"), "a-b-masklabel-art"),
        (image("folder", "sub/my picture.jpg"), "folder-sub-my-picture"),
        (image("folder", "sub/My_Picture.JPEG", "me"), "folder-sub-my-picture-me"),
        (image("folder", "a.b/c.tiff"), "folder-a-b-c"),
        (image("folder", "a.jpg.png"), "folder-a-jpg"),
        (image("folder", "v1.5"), "folder-v1-5"),
        (image("folder", "sub/.jpg"), "folder-sub-jpg"),
        (image("folder", "x" * 300 + "/end.jpg"), "folder-" + "x" * 96 + "-end"),
        (image("folder", "x" * 300 + "/end.jpg", "me"), "folder-" + "x" * 44 + "-end-me"),
    ],
)
def test_names_are_site_id_and_artist(given_image: AcceptedImage, name: str) -> None:
    assert readable_name(given_image) == name


def test_names_that_mean_something_to_everydream_are_avoided() -> None:
    assert readable_name(image("flip", "p")) == "flip-p-art"
    assert readable_name(image("shuffle", "tags")) == "shuffle-tags-art"


def test_equal_names_get_suffixes_that_do_not_depend_on_the_order() -> None:
    images = [image(site_id=i) for i in ("A", "a", "a/", "b")]
    names = dict(zip(images_key(images), readable_names(images), strict=True))
    images.reverse()
    assert dict(zip(images_key(images), readable_names(images), strict=True)) == names
    assert names["b"] == "danbooru-b"
    assert all(names[i].startswith("danbooru-a-") for i in ("A", "a", "a/"))


def test_files_deep_in_long_folders_differ_by_their_own_names() -> None:
    deep = "a long name of a folder/" * 20
    names = readable_names([image("folder", f"{deep}{name}.png") for name in ("one", "two")])
    assert [name.rpartition("-")[2] for name in names] == ["one", "two"]


def test_a_cut_never_leaves_a_mark_without_its_letter() -> None:
    # Six bytes a syllable: a hundred bytes begin in the middle of one.
    name = readable_name(image("folder", "\u0939\u093f" * 50))
    assert name == "folder-" + "\u0939\u093f" * 16


def images_key(images: list[AcceptedImage]) -> list[str]:
    return [i.site_id for i in images]


def test_the_same_work_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        readable_names([image(), image()])


_WORD = st.one_of(
    st.text(max_size=200),
    st.sampled_from(["con", "..", ".", "a_b", "multiply", "é", "e\u0301", "İ", "ﬁ", "", "𝕏" * 90]),
)


@given(st.lists(st.tuples(_WORD, _WORD, _WORD), max_size=12, unique_by=lambda t: t[:2]))
def test_any_text_gives_safe_and_different_names(words: list[tuple[str, str, str]]) -> None:
    images = [image(*word) for word in words]
    names = readable_names(images)
    shuffled = list(range(len(images)))
    random.Random(0).shuffle(shuffled)
    again = readable_names([images[i] for i in shuffled])
    assert [names[i] for i in shuffled] == again
    folded = {unicodedata.normalize("NFC", n.casefold()) for n in names}
    assert len(folded) == len(names)
    for name in names:
        file = name + ".jpeg"
        assert len(file.encode("utf-8")) <= 150
        assert len(name.encode("utf-8")) <= MAX_STEM_BYTES
        assert Path(file).name == file == PureWindowsPath(file).name
        assert name == unicodedata.normalize("NFC", name) == name.lower().strip("- .")
        assert not set(name) & set('_ ./\\:*?"<>|')
        assert all(unicodedata.category(c)[0] in "LNM" or c == "-" for c in name)
        assert name.partition(".")[0] not in {"con", "nul", "multiply", "local"}
