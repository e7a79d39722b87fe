from __future__ import annotations

import pytest

from filters.animated import Animated
from filters.picture import Picture
from tests.filters.support import Work, drawing, encode, judge

POLICY = judge().policy()


@pytest.mark.parametrize(
    ("format", "animated", "expected"),
    [
        ("mp4", None, "animated"),
        ("webm", False, "animated"),
        ("zip", True, "animated"),
        ("swf", None, "animated"),
        ("gif", True, "animated"),
        ("gif", None, None),
        ("png", True, "animated"),
        (None, True, "animated"),
        ("JPG", False, None),
        ("avif", None, None),
        (None, None, None),
        ("psd", None, "unsupported_format"),
        ("tiff", False, "unsupported_format"),
    ],
)
def test_what_is_claimed_decides_before_the_download(
    format: str | None, animated: bool | None, expected: str | None
) -> None:
    rejection = Animated().prescreen(Work(format=format, animated=animated), POLICY)
    assert (rejection.reason if rejection else None) == expected


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "AVIF"])
def test_more_than_one_frame_is_an_animation_whatever_was_claimed(format: str) -> None:
    frames = [drawing(seed=2), drawing(seed=3)]
    data = encode(drawing(), format, save_all=True, append_images=frames)
    filters = judge()
    measures = filters.measure(Picture.open(data))
    rejection = Animated().judge(Work(animated=False), measures["animated"], POLICY)
    assert rejection is not None
    assert (rejection.reason, rejection.measured, rejection.threshold) == ("animated", 3, 1)


def test_a_still_file_that_was_called_animated_is_a_picture() -> None:
    measures = {"animated": {"version": 1, "frames": 1}}
    assert judge().verdict(Work(animated=True, format="gif"), measures, POLICY) is None
