"""Pictures drawn by code, as an origin of their own: flat shapes, hatching, fractal noise.

Graphics like these are met in crawls, and nothing else among the sources is of their kind. Their
seeds are far from those of the demo site, whose drawing code makes them.
"""

from __future__ import annotations

import argparse
import csv
import io
from pathlib import Path

from PIL import Image

from crawler.demo.pictures import Recipe, Style, draw

ORIGIN = "drawn by code"
FIRST_SEED = 900_000
COUNTS: tuple[tuple[Style, int], ...] = (("illustration", 24), ("photo", 16))
FIELDS = (
    *("file", "kind", "label", "method", "source", "origin", "path", "crop", "licence"),
    *("width", "height", "style", "family"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with (out / "index.csv").open("w", newline="") as file:
        index = csv.DictWriter(file, FIELDS, restval="")
        index.writeheader()
        number = 0
        for style, count in COUNTS:
            for _ in range(count):
                width, height = 900 + 60 * (number % 5), 900 + 60 * (number % 7)
                drawn = draw(Recipe(FIRST_SEED + number, width, height, style, "png"))
                name = f"{number:02}_{style}.png"
                Image.open(io.BytesIO(drawn.data)).save(out / name)
                index.writerow({
                    "file": name, "kind": style, "label": "original", "source": f"9{number:03}",
                    "origin": ORIGIN, "path": name, "licence": "as this project", "width": width,
                    "height": height, "style": "other" if style == "illustration" else "",
                })  # fmt: skip
                number += 1


if __name__ == "__main__":
    main()
