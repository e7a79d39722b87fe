"""The contact sheet: one JPEG that shows a person what a set holds."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar, TypeAlias

from PIL import Image, ImageDraw, ImageFont

from filters.base import option
from stages.base import ExportReport
from stages.errors import BadOption, FolderNotOurs, NothingToDraw, UnreadablePicture
from stages.export import disk
from stages.export.sheet_captions import FIELDS, caption
from stages.prepare import decoded, opened
from storage.platform import fsync_dir
from storage.records import AcceptedImage

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
    fields: tuple[str, ...] = option(("id", "size", "reason", "score"), "lines under each picture")
    numbers: bool = option(True, "a number in the corner of each picture")
    group: bool = option(True, "a heading over the works of each reason, where there are several")
    max_cells: int = option(200, "pictures on the sheet; it says how many are left out", low=1)
    quality: int = option(88, "JPEG quality", low=30, high=97)


class Sheet:
    """A contact sheet; ``out`` is its file, a ``.jpg``. Shows rejected works with their reason."""

    name: ClassVar[str] = "sheet"
    Options: ClassVar[type[SheetOptions]] = SheetOptions

    def __init__(self, options: SheetOptions) -> None:
        """Raises BadOption for an unknown field."""
        for field in options.fields:
            if field not in FIELDS:
                known = ", ".join(FIELDS)
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
        for image in self.cells(images):
            if image.sha256 is not None:
                yield image.sha256, out
                yield image.sha256, disk.temp_beside(out)

    def cells(self, images: Sequence[AcceptedImage]) -> list[AcceptedImage]:
        """The works that are shown, in the order of their numbers, the first of which is 1."""
        shown = _drawable(images)[: self.options.max_cells]
        return [image for _, group in self._groups(shown) for image in group]

    def _groups(self, shown: Sequence[AcceptedImage]) -> list[tuple[str, list[AcceptedImage]]]:
        """The works under each heading; one group without a heading where all are alike."""
        groups: dict[str, list[AcceptedImage]] = {}
        for image in shown:
            groups.setdefault(image.reason or image.state, []).append(image)
        if not self.options.group or len(groups) < 2:
            return [("", list(shown))]
        return [(f"{name} ({len(group)})", group) for name, group in groups.items()]

    def _draw(self, images: Sequence[AcceptedImage], left_out: int, no_file: int) -> bytes:
        groups = self._groups(images)
        columns = min(self.options.columns, len(images))
        cell, step_y = self.options.cell, self._step_y
        head = self.line + _MARGIN
        rows = [-(-len(group) // columns) for _, group in groups]
        footer = head if left_out or no_file else 0
        headings = sum(head for heading, _ in groups if heading)
        width = max(columns * (cell + _MARGIN) + _MARGIN, 320)
        height = sum(rows) * step_y + headings + _MARGIN + footer
        if max(width, height) > _MAX_SIDE:
            raise BadOption(
                f"the sheet would be {height} pixels tall, more than a JPEG can hold",
                hint="show fewer pictures, smaller ones, or more in a row",
            )
        sheet = Image.new("RGB", (width, height), _BACKGROUND)
        draw = ImageDraw.Draw(sheet)
        ordered = [image for _, group in groups for image in group]
        pictures = enumerate(zip(ordered, self._thumbnails(ordered), strict=True), 1)
        top = _MARGIN
        for (heading, group), in_rows in zip(groups, rows, strict=True):
            if heading:
                self._text(draw, (_MARGIN, top), heading, _INK, width - 2 * _MARGIN)
                top += head
            for i, (number, (image, thumbnail)) in enumerate(islice(pictures, len(group))):
                at = _MARGIN + i % columns * (cell + _MARGIN), top + i // columns * step_y
                self._cell(sheet, draw, at, number, image, thumbnail)
            top += in_rows * step_y
        if footer:
            more = f"{left_out} more not shown" if left_out else ""
            fileless = f"{no_file} without a file" if no_file else ""
            words = ", ".join(filter(None, (more, fileless)))
            self._text(draw, (_MARGIN, height - footer), words, _INK, width - 2 * _MARGIN)
        buffer = io.BytesIO()
        sheet.save(buffer, "JPEG", quality=self.options.quality, comment=_COMMENT)
        return buffer.getvalue()

    @property
    def _step_y(self) -> int:
        return self.options.cell + self.line * len(self.options.fields) + _MARGIN

    def _cell(
        self,
        sheet: Image.Image,
        draw: ImageDraw.ImageDraw,
        at: tuple[int, int],
        number: int,
        image: AcceptedImage,
        thumbnail: Image.Image | str,
    ) -> None:
        """One picture with its number and the words under it."""
        (x, y), cell = at, self.options.cell
        if isinstance(thumbnail, str):
            draw.rectangle((x, y, x + cell - 1, y + cell - 1), fill=_EMPTY)
            self._text(draw, (x + _MARGIN, y + cell // 2), thumbnail, _INK)
        else:
            sheet.paste(thumbnail, (x + (cell - thumbnail.width) // 2, y + cell - thumbnail.height))
        if self.options.numbers:
            room = draw.textbbox((x + 3, y + 1), str(number), self.font)
            draw.rectangle((x, y, room[2] + 3, y + self.line), fill=_BACKGROUND)
            self._text(draw, (x + 3, y + 1), str(number), _INK)
        ink = _INK if image.state == "accepted" else _REJECTED
        for line, field in enumerate(self.options.fields):
            self._text(draw, (x, y + cell + line * self.line), caption(image, field), ink)

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
        """One line, cut to the width of a cell; whatever a site wrote is no second one."""
        text = "".join(c if c.isprintable() else " " for c in text)
        room = width or self.options.cell
        if draw.textlength(text, self.font) > room:
            while text and draw.textlength(text + "…", self.font) > room:
                text = text[:-1]
            text += "…"
        draw.text(at, text, ink, self.font)


def _drawable(images: Sequence[AcceptedImage]) -> list[AcceptedImage]:
    return [i for i in images if i.path is not None and i.path.is_file()]


def _nothing_to_draw(works: int) -> NothingToDraw:
    if not works:
        return NothingToDraw("there are no works to draw", hint="ask for others, in other words")
    return NothingToDraw(
        f"none of the {works} works has a file to draw",
        hint="works that were rejected by what their site says, or whose turn has not come, are"
        " not downloaded",
    )


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
