"""One look at a picture: decoded whole and measured by every filter, wherever that happens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from filters.base import Measures
from filters.picture import Examined, Limits, Picture, PictureError
from filters.policy import Judge


@dataclass(frozen=True, slots=True)
class Look:
    """What a file turned out to be."""

    format: str
    width: int
    height: int
    measures: Mapping[str, Measures]


def look(examined: Examined, judge: Judge, limits: Limits) -> Look:
    """Decode and measure. Raises PictureError; what a filter broke of is among its measures."""
    with Picture.decode(examined, limits) as picture:
        try:
            measures = judge.measure(picture)
        except MemoryError as error:
            width, height = picture.width, picture.height
            raise PictureError("out_of_memory", width=width, height=height) from error
        return Look(picture.format, picture.width, picture.height, measures)
