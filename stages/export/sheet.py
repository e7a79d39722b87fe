"""The contact sheet: one JPEG that shows a person what a set holds."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar, Literal, TypeAlias, get_args

from PIL import Image, ImageDraw, ImageFont

from filters.base import option
from stages.base import ExportReport
from stages.errors import BadOption, FolderNotOurs, NothingToDraw, UnreadablePicture
from stages.export import disk
from stages.prepare import decoded, opened
from storage.platform import fsync_dir
from storage.records import AcceptedImage

Field: TypeAlias = Literal["id", "size", "reason", "artist", "rating", "licence"]
Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

_COMMENT = b"contact sheet made by trawl"
"""In the JPEG: by it we know our own sheets, the only files that are replaced."""
_MARGIN = 8
_BACKGROUND, _EMPTY, _INK, _REJECTED = "white", "#c8c8c8", "#202020", "#b00020"
_MAX_SIDE = 65_500  # of a JPEG
_AT_ONCE = 4
"""Pictures decoded at one time, which bounds the memory."""


@dataclass(frozen=True)
class SheetOptions:
    """Flags of ``trawl sheet``."""

    columns: int = option(8, "pictures in a row", low=1, high=40)
    cell: int = option(240, "longest side of a picture", unit="px", low=64, high=1024)
    fields: tuple[str, ...] = option(("id", "size", "reason"), "lines under each picture")
    max_cells: int = option(200, "pictures on the sheet; it says how many are left out", low=1)
    quality: int = option(88, "JPEG quality", low=30, high=97)


class Sheet:
    """A contact sheet; ``out`` is its file, a ``.jpg``. Shows rejected works with their reason."""

    name: ClassVar[str] = "sheet"
    Options: ClassVar[type[SheetOptions]] = SheetOptions

    def __init__(self, options: SheetOptions) -> None:
        """Raises BadOption for an unknown field."""
        for field in options.fields:
            if field not in get_args(Field):
                known = ", ".join(get_args(Field))
                raise BadOption(f"a sheet has no field {field!r}; there are: {known}")
        self.options = options
        self.font = ImageFont.load_default(max(11, options.cell // 18))
        self.line = round(self.font.getbbox("Ag|")[3] * 1.2)

    def write(self, images: Sequence[AcceptedImage], out: Path) -> ExportReport:
        """Draw the works that have a file, in their order. The same works give the same bytes.

        ``written`` and ``unchanged`` of the report count the pictures shown. Raises BadOption for
        a name that is no JPEG's or a sheet too tall for one, FolderNotOurs where ``out`` is a file
        that is no sheet, and NothingToDraw.
        """
        before = _previous(out)
        drawable = _drawable(images)
        if not drawable:
            raise _nothing_to_draw(len(images))
        shown = drawable[: self.options.max_cells]
        left_out = len(drawable) - len(shown)
        no_file = len(images) - len(drawable)
        data = self._draw(shown, left_out, no_file)
        fresh = data != before
        if fresh:
            _replace(out, data)
        return ExportReport(
            written=len(shown) if fresh else 0,
            unchanged=0 if fresh else len(shown),
            removed=0,
            skipped={
                reason: count
                for reason, count in (("no_file", no_file), ("over_max_cells", left_out))
                if count
            },
            folder=out.parent,
            files=tuple((image.sha256, out) for image in shown if image.sha256 is not None),
        )

    def planned(self, images: Sequence[AcceptedImage], out: Path) -> Iterator[tuple[str, Path]]:
        """The sheet, and what a kill may leave of it. Raises BadOption and FolderNotOurs."""
        _previous(out)
        for image in _drawable(images)[: self.options.max_cells]:
            if image.sha256 is not None:
                yield image.sha256, out
                yield image.sha256, disk.temp_beside(out)

    def _draw(self, images: Sequence[AcceptedImage], left_out: int, no_file: int) -> bytes:
        cell, columns = self.options.cell, min(self.options.columns, len(images))
        rows = -(-len(images) // columns)
        step_x = cell + _MARGIN
        step_y = cell + self.line * len(self.options.fields) + _MARGIN
        footer = self.line + _MARGIN if left_out or no_file else 0
        width = max(columns * step_x + _MARGIN, 320)
        height = rows * step_y + _MARGIN + footer
        if max(width, height) > _MAX_SIDE:
            raise BadOption(
                f"the sheet would be {height} pixels tall, more than a JPEG can hold",
                hint="show fewer pictures, smaller ones, or more in a row",
            )
        sheet = Image.new("RGB", (width, height), _BACKGROUND)
        draw = ImageDraw.Draw(sheet)
        for i, (image, thumbnail) in enumerate(zip(images, self._thumbnails(images), strict=True)):
            x, y = _MARGIN + i % columns * step_x, _MARGIN + i // columns * step_y
            if isinstance(thumbnail, str):
                draw.rectangle((x, y, x + cell - 1, y + cell - 1), fill=_EMPTY)
                self._text(draw, (x + _MARGIN, y + cell // 2), thumbnail, _INK)
            else:
                sheet.paste(
                    thumbnail, (x + (cell - thumbnail.width) // 2, y + cell - thumbnail.height)
                )
            ink = _INK if image.state == "accepted" else _REJECTED
            for line, field in enumerate(self.options.fields):
                self._text(draw, (x, y + cell + line * self.line), _field(image, field), ink)
        if footer:
            more = f"{left_out} more not shown" if left_out else ""
            fileless = f"{no_file} without a file" if no_file else ""
            words = ", ".join(filter(None, (more, fileless)))
            self._text(draw, (_MARGIN, height - footer), words, _INK, width - 2 * _MARGIN)
        buffer = io.BytesIO()
        sheet.save(buffer, "JPEG", quality=self.options.quality, comment=_COMMENT)
        return buffer.getvalue()

    def _thumbnails(self, images: Sequence[AcceptedImage]) -> Iterator[Image.Image | str]:
        """The small picture of each, or why there is none; a few ahead of what is drawn."""
        pool = ThreadPoolExecutor(min(_AT_ONCE, os.cpu_count() or 1))
        try:
            waiting = iter(images)
            while batch := list(islice(waiting, 64)):
                yield from pool.map(self._thumbnail, batch)
        finally:
            pool.shutdown(cancel_futures=True)

    def _thumbnail(self, image: AcceptedImage) -> Image.Image | str:
        assert image.path is not None, "works without a file were left out"
        side = self.options.cell
        try:
            with open(image.path, "rb") as file, opened(file) as picture:
                # JPEGs are decoded at an eighth to a half of their size where that is enough.
                picture.draft(None, (2 * side, 2 * side))
                small = decoded(picture)
        except FileNotFoundError:
            return "file is gone"
        except UnreadablePicture as error:
            return error.reason
        small.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
        return small

    def _text(
        self,
        draw: ImageDraw.ImageDraw,
        at: tuple[int, int],
        text: str,
        ink: str,
        width: int | None = None,
    ) -> None:
        """One line, cut to the width of a cell."""
        room = width or self.options.cell
        if draw.textlength(text, self.font) > room:
            while text and draw.textlength(text + "…", self.font) > room:
                text = text[:-1]
            text += "…"
        draw.text(at, text, ink, self.font)


def _drawable(images: Sequence[AcceptedImage]) -> list[AcceptedImage]:
    return [i for i in images if i.path is not None and i.path.is_file()]


def _field(image: AcceptedImage, field: str) -> str:
    """One line under a picture."""
    if field == "id":
        return f"{image.site}-{image.site_id}"
    if field == "size":
        return f"{image.width}x{image.height}" if image.width and image.height else "size unknown"
    if field == "artist":
        return ", ".join(image.tags.get("artist", ()))
    if field == "rating":
        return image.rating or ""
    if field == "licence":
        return image.licence or ""
    if image.reason is None:
        return "" if image.state == "accepted" else image.state
    if image.measured is None:
        return image.reason
    limit = "" if image.threshold is None else f" / {_short(image.threshold)}"
    return f"{image.reason}: {_short(image.measured)}{limit}"


def _nothing_to_draw(works: int) -> NothingToDraw:
    if not works:
        return NothingToDraw("there are no works to draw", hint="ask for others, in other words")
    return NothingToDraw(
        f"none of the {works} works has a file to draw",
        hint="works that were rejected by what their site says of them are never downloaded",
    )


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _previous(out: Path) -> bytes | None:
    """The sheet that is already there.

    Raises BadOption for a name that is no JPEG's, FolderNotOurs where it is another file.
    """
    if out.suffix.lower() not in (".jpg", ".jpeg"):
        raise BadOption(f"a sheet is a JPEG: {out} does not end in .jpg")
    if not os.path.lexists(out):
        return None
    if out.is_symlink() or not out.is_file():
        raise FolderNotOurs(f"{out} is not a plain file", hint="choose another name")
    data = out.read_bytes()
    if _COMMENT not in data[:4096]:
        raise FolderNotOurs(f"{out} is not a contact sheet of ours", hint="choose another name")
    return data


def _replace(out: Path, data: bytes) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    temp = disk.temp_beside(out)
    temp.unlink(missing_ok=True)
    try:
        with open(temp, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temp.replace(out)
    finally:
        temp.unlink(missing_ok=True)
    fsync_dir(out.parent)
