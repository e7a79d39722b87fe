"""The picture of ``trawl inspect --explain``: what was looked at, and where."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from PIL import Image, ImageDraw, ImageFont, PngImagePlugin, UnidentifiedImageError

from crawler.errors import UsageError
from filters.explanation import Box, Explanation, Seen

Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

_MADE_BY = "trawl inspect --explain"
"""In the PNG: by it we know our own, the only files that are replaced."""
_WHOLE = 480
"""Longest side of the whole picture, in pixels of the drawing."""
_SMALL = 128
"""Tiles up to this side are drawn twice as large."""
_LARGEST = 256
"""Of larger ones the middle is drawn."""
_COLUMNS = 4
_MOST = 32
"""Tiles drawn of one filter; the others are counted."""
_MARGIN = 10
_BACKGROUND, _INK, _TILE, _CONTENT = "white", "#202020", "#ffe000", "#00c0ff"


def write(drawing: Image.Image, path: Path) -> None:
    """Save a drawing; the same picture's of before is replaced.

    Raises UsageError where another file is there already, or none can be written.
    """
    text = PngImagePlugin.PngInfo()
    text.add_text("Software", _MADE_BY)
    data = io.BytesIO()
    drawing.save(data, "PNG", pnginfo=text)
    try:
        if path.exists() and not _is_ours(path):
            raise UsageError(f"{path} is there already and is not ours", hint="name another folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        with part.open("xb") as file:  # never through a link that somebody put there
            file.write(data.getvalue())
        part.replace(path)
    except OSError as problem:
        raise UsageError(f"{path} cannot be written: {problem.strerror or problem}") from problem


def draw(rgb: Image.Image, title: str, explanations: Mapping[str, Explanation]) -> Image.Image:
    """One section for each filter: the whole picture with what it looked at, and the tiles."""
    page = _Page(ImageFont.load_default(13))
    sections = [page.section(rgb, name, each) for name, each in explanations.items()]
    head = page.text([title])
    parts = [head, *sections]
    width = max(part.width for part in parts) + 2 * _MARGIN
    height = sum(part.height + _MARGIN for part in parts) + _MARGIN
    drawing = Image.new("RGB", (width, height), _BACKGROUND)
    top = _MARGIN
    for part in parts:
        drawing.paste(part, (_MARGIN, top))
        top += part.height + _MARGIN
    return drawing


@dataclass(frozen=True)
class _Page:
    font: Font

    @property
    def line(self) -> int:
        return round(self.font.getbbox("Ag|")[3] * 1.3)

    def section(self, rgb: Image.Image, name: str, told: Explanation) -> Image.Image:
        shown = told.tiles[:_MOST]
        left_out = len(told.tiles) - len(shown)
        more = (f"{left_out} more tiles are not shown",) if left_out else ()
        notes = self.text([name, *told.notes, *more])
        whole = self._whole(rgb, told.content, shown)
        tiles = self._tiles(rgb, shown)
        width = max(notes.width, whole.width + _MARGIN + tiles.width)
        height = notes.height + max(whole.height, tiles.height)
        part = Image.new("RGB", (width, height), _BACKGROUND)
        part.paste(notes, (0, 0))
        part.paste(whole, (0, notes.height))
        part.paste(tiles, (whole.width + _MARGIN, notes.height))
        return part

    def text(self, lines: Sequence[str]) -> Image.Image:
        plain = ["".join(c if c.isprintable() else " " for c in line) for line in lines]
        width = max(int(self.font.getlength(line)) for line in plain) + 1
        part = Image.new("RGB", (width, self.line * len(plain) + _MARGIN // 2), _BACKGROUND)
        draw = ImageDraw.Draw(part)
        for number, line in enumerate(plain):
            draw.text((0, number * self.line), line, _INK, self.font)
        return part

    def _whole(self, rgb: Image.Image, content: Box | None, tiles: Sequence[Seen]) -> Image.Image:
        small = rgb.copy()
        small.thumbnail((_WHOLE, _WHOLE), Image.Resampling.BOX, reducing_gap=2.0)
        draw = ImageDraw.Draw(small)
        across, down = small.width / rgb.width, small.height / rgb.height

        def outline(box: Box, colour: str) -> tuple[int, int]:
            left, top = int(box[0] * across), int(box[1] * down)
            right = max(left, min(round(box[2] * across), small.width) - 1)
            bottom = max(top, min(round(box[3] * down), small.height) - 1)
            draw.rectangle((left, top, right, bottom), outline="black", width=3)
            draw.rectangle((left, top, right, bottom), outline=colour)
            return left, top

        if content is not None:
            outline(content, _CONTENT)
        for number, tile in enumerate(tiles, 1):
            left, top = outline(tile.box, _TILE)
            room = draw.textbbox((left + 3, top + 1), str(number), self.font)
            draw.rectangle((left, top, room[2] + 2, room[3] + 1), fill=_TILE)
            draw.text((left + 3, top + 1), str(number), "black", self.font)
        return small

    def _tiles(self, rgb: Image.Image, tiles: Sequence[Seen]) -> Image.Image:
        cells = [self._cell(rgb, number, tile) for number, tile in enumerate(tiles, 1)]
        if not cells:
            return Image.new("RGB", (1, 1), _BACKGROUND)
        across = max(cell.width for cell in cells) + _MARGIN
        down = max(cell.height for cell in cells) + _MARGIN
        columns = min(_COLUMNS, len(cells))
        part = Image.new("RGB", (columns * across, -(-len(cells) // columns) * down), _BACKGROUND)
        for number, cell in enumerate(cells):
            part.paste(cell, (number % columns * across, number // columns * down))
        return part

    def _cell(self, rgb: Image.Image, number: int, tile: Seen) -> Image.Image:
        pixels = rgb.crop(_middle(tile.box, rgb.size))
        zoom = 2 if max(pixels.size) <= _SMALL else 1
        # Squares of pixels as they are: what an upscaler smoothed must not be smoothed by us.
        pixels = pixels.resize(
            (pixels.width * zoom, pixels.height * zoom), Image.Resampling.NEAREST
        )
        under = self.text([_told(number, tile), f"{zoom}:1 at {tile.box[0]}, {tile.box[1]}"])
        size = max(pixels.width, under.width), pixels.height + under.height
        cell = Image.new("RGB", size, _BACKGROUND)
        cell.paste(pixels, (0, 0))
        cell.paste(under, (0, pixels.height))
        return cell


def _told(number: int, tile: Seen) -> str:
    score = "" if tile.score is None else f" {tile.score:.3g}"
    return f"{number}{score} {tile.label}".strip()


def _middle(box: Box, size: tuple[int, int]) -> Box:
    """As much of a tile as is drawn, within the picture."""
    left, top = (max(0, min(at, side - 1)) for at, side in zip(box[:2], size, strict=True))
    right, bottom = min(max(box[2], left + 1), size[0]), min(max(box[3], top + 1), size[1])
    spare = max(0, right - left - _LARGEST) // 2, max(0, bottom - top - _LARGEST) // 2
    return (
        left + spare[0],
        top + spare[1],
        min(right, left + spare[0] + _LARGEST),
        min(bottom, top + spare[1] + _LARGEST),
    )


def _is_ours(path: Path) -> bool:
    try:
        with Image.open(path, formats=("PNG",)) as before:
            return before.info.get("Software") == _MADE_BY
    except (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError):
        return False
