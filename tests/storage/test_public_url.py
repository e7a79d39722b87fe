"""What of a URL is handed on."""

from __future__ import annotations

import pytest

from storage.public_url import public_url


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
    ],
)
def test_logins_keys_and_signatures_are_left_out_and_the_rest_stays(
    url: str, handed_on: str
) -> None:
    assert public_url(url) == handed_on
