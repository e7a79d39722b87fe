"""The pictures that training and benchmarks start from, and their split by origin."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image


@dataclass(frozen=True, slots=True)
class Source:
    """One picture with known truth: a line of an ``index.csv``."""

    file: Path
    kind: str
    """``photo``, ``illustration``, ``graphic``, ``screen``, ``pixel_art``."""
    source: str
    """Files of one number come from one picture."""
    origin: str
    """The public repository it is from; an upscale has that of its original."""
    path: str
    style: str = ""
    family: str = ""
    """Of an AI upscale: which upscaler made it; else empty."""
    factor: float = 1.0

    @property
    def upscaled(self) -> bool:
        return bool(self.family)

    def open(self) -> Image.Image:
        """The picture as RGB on white."""
        with Image.open(self.file) as image:
            if image.has_transparency_data:
                rgba = image.convert("RGBA")
                paper = Image.new("RGB", rgba.size, "white")
                paper.paste(rgba, mask=rgba.getchannel("A"))
                return paper
            return image.convert("RGB")


_FAMILIES = (("w2x", "waifu2x"), ("cugan", "cugan"), ("resr", "realesrgan_compact"))


def read(indexes: Iterable[Path]) -> list[Source]:
    """The lines of the indexes; a file named twice is taken once."""
    lines = {}
    for index in indexes:
        with index.open(newline="") as file:
            for line in csv.DictReader(file):
                lines.setdefault((index.parent / line["file"]).resolve(), line)
    kinds = {line["source"]: line for line in lines.values() if line["label"] == "original"}
    return [_source(file, line, kinds) for file, line in lines.items()]


def _source(
    file: Path, line: Mapping[str, str], originals: Mapping[str, Mapping[str, str]]
) -> Source:
    family, factor, own = "", 1.0, line
    if line["label"] == "upscaled":
        own = originals.get(line["source"], line)
        method = line["method"]
        family = line.get("family") or next(
            (name for start, name in _FAMILIES if method.startswith(start)), "other"
        )
        told = re.search(r"@(\d+(?:\.\d+)?)x|_(\d)x", method)
        factor = float(told[1] or told[2]) if told else 2.0
    kind = own["kind"] if own["kind"] != "ai_upscaled" else line.get("base_kind", "")
    return Source(
        file,
        kind,
        line["source"],
        own["origin"],
        line["path"],
        own.get("style") or "",
        family,
        factor,
    )


def folds() -> dict[str, str]:
    """Origin -> ``train``, ``tune`` or ``test``, as committed before any threshold was chosen."""
    return {line["origin"]: line["fold"] for line in _lines("folds.csv")}


def held_out() -> frozenset[str]:
    """The families of AI upscalers that no model is trained on."""
    return frozenset(line["family"] for line in _lines("held_out.csv"))


def set_apart() -> dict[tuple[str, str], str]:
    """(origin, path) -> why a picture is taken for not really original."""
    return {
        (line["origin"], line["path"]): reason
        for line in _lines("origins.csv")
        if (reason := line["set_apart"])
    }


def _lines(name: str) -> list[dict[str, str]]:
    with Path(__file__).with_name(name).open(newline="") as file:
        return list(csv.DictReader(file))
