"""The contracts of stages and exports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from storage.records import AcceptedImage, ExportReport

__all__ = ["Derived", "Export", "ExportReport", "PlannedExport", "Stage"]


@dataclass(frozen=True, slots=True)
class Derived:
    """A picture made from others: its bytes, how it was made, and which tags it keeps."""

    data: bytes
    format: str
    width: int
    height: int
    parameters: Mapping[str, Any] = field(default_factory=dict)


class Stage(Protocol):
    """Makes pictures from pictures. Runs in a worker; deterministic."""

    name: ClassVar[str]
    version: ClassVar[int]
    group_by: ClassVar[Literal["image", "shot", "group"]]
    Options: ClassVar[type[Any]]

    def __init__(self, options: Any) -> None: ...

    def process(self, inputs: Sequence[AcceptedImage]) -> Iterator[Derived]:
        """Derive pictures from one group of inputs (one image where ``group_by`` is image)."""
        ...


class Export(Protocol):
    """Lays accepted images out for a trainer or a person."""

    name: ClassVar[str]
    Options: ClassVar[type[Any]]
    """A frozen dataclass; its fields become flags (see :func:`filters.base.option`)."""

    def __init__(self, options: Any) -> None: ...

    def write(self, images: Sequence[AcceptedImage], out: Path) -> ExportReport:
        """Bring ``out`` to hold exactly these images: idempotent, touches only what changed."""
        ...


class PlannedExport(Export, Protocol):
    """An export that says beforehand which files it may make, as all of trawl's own do.

    Pictures may have to be forgotten later; without this, what a killed export left is not found.
    """

    def planned(self, images: Sequence[AcceptedImage], out: Path) -> Iterable[tuple[str, Path]]:
        """(sha256 of a picture, file that may come to show it or tell of it); touches nothing.

        Raises as :meth:`write` does where a file is somebody else's.
        """
        ...
