"""What of a URL is handed on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.public_url import public_url, public_urls


@pytest.mark.parametrize(
    ("url", "handed_on"),
    [
        ("https://cdn.example/a/b.jpg", "https://cdn.example/a/b.jpg"),
        ("https://x.example/photo?id=7&w=2048", "https://x.example/photo?id=7&w=2048"),
        ("https://x.example/p?id=7&Signature=abc&Expires=1", "https://x.example/p?id=7"),
        ("https://x.example/p?X-Amz-Date=1&X-Amz-Signature=abc", "https://x.example/p"),
        ("https://x.example/p?api_key=abc&login=me#top", "https://x.example/p#top"),
        ("https://me:secret@x.example/a@b.jpg", "https://x.example/a@b.jpg"),
        ("https://x.example/a.jpg?", "https://x.example/a.jpg"),
        ("//me:secret@x.example/a.jpg", "//x.example/a.jpg"),
        ("https://x.example/p?%73ig=abc&page=2", "https://x.example/p?page=2"),
        ("https://x.example/p?id=7;tok%65n=abc;page=2", "https://x.example/p?id=7&page=2"),
        ("https://x.example/p?id=7&amp;sig=abc", "https://x.example/p?id=7&amp"),
        ("https://x.example/p?id=7&pass=a&PWD=b&jwt=c", "https://x.example/p?id=7"),
        ("https://cdn.example/a.png?ex=66&is=65&hm=5b&", "https://cdn.example/a.png"),
        ("https://cdn.example/a.png?st=5b&e=17&id=3", "https://cdn.example/a.png?id=3"),
        ("https://cdn.example/a.png?h=5b&t=17&tag=3", "https://cdn.example/a.png?tag=3"),
        ("https://x.example/p?id=7#access_token=abc", "https://x.example/p?id=7"),
        ("https://x.example/#/in?lang=en&token=abc", "https://x.example/"),
        ("https://x.example/p#user-comments", "https://x.example/p#user-comments"),
        ("https://x.example/p;jsessionid=abc/a.jpg;v=2", "https://x.example/p/a.jpg;v=2"),
        (
            "https://proxy.example/?w=5&url=https%3A%2F%2Fx.example%2Fa.jpg%3Fsig%3Dabc",
            "https://proxy.example/?w=5",
        ),
        (
            "https://proxy.example/?url=https%3A%2F%2Fx.example%2Fa.jpg",
            "https://proxy.example/?url=https%3A%2F%2Fx.example%2Fa.jpg",
        ),
    ],
)
def test_logins_keys_and_signatures_are_left_out_and_the_rest_stays(
    url: str, handed_on: str
) -> None:
    assert public_url(url) == handed_on


@given(st.text(alphabet="ab:/@?#&;=%7t!. ", max_size=60))
def test_what_is_public_is_not_changed_again(url: str) -> None:
    once = public_url(url)
    assert public_url(once) == once


def test_urls_anywhere_in_a_document_are_made_public() -> None:
    signed = "https://x.example/a.jpg?sig=abc"
    told = public_urls({"urls": [signed, {"large": signed}], "title": "key=1?sig=2", "id": 7})
    public = "https://x.example/a.jpg"
    assert told == {"urls": [public, {"large": public}], "title": "key=1?sig=2", "id": 7}
