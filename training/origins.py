"""Picks the original pictures that `origins.csv` lists out of local clones.

    python -m training.origins CLONES OUT [--since 2000] [--list]

CLONES holds one folder per repository, named `owner+name` or `owner/name` (with, for a Debian
package, `debian` as the owner and the unpacked package inside): a git clone, bare or not, or plain
files. Every file is compared with its sha256 before use, and one in SVG is drawn by resvg. OUT gets
the pictures, by kind, and `index.csv`. Numbers below 2000 are those of the shared corpus: --since
2000 leaves them out where the corpus itself is at hand. --list prints the repositories needed and
what each is for, and does nothing else.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from PIL import Image

LISTING = Path(__file__).with_name("origins.csv")
AS_PUBLISHED = {"JPEG": ".jpg", "PNG": ".png"}
"""Formats kept byte for byte when nothing is cut; others are stored as PNG."""
DRAWN_WIDTH = 1100
"""Pixels across of a picture that is drawn from SVG."""
Box = tuple[int, int, int, int]


class Unusable(Exception):
    """A clone is missing, or does not have the picture that the listing names."""


@dataclass(frozen=True, slots=True)
class Original:
    """One picture as its repository publishes it: a line of `origins.csv`."""

    source: str
    """The number that everything made from this picture carries."""
    kind: str
    style: str
    """Of illustrations: ``anime`` or ``other``."""
    origin: str
    """``owner/name`` of the repository, or ``debian/package``."""
    commit: str
    """A commit that has the file; of a Debian package, its version."""
    path: str
    sha256: str
    """Of the file as published; empty for one of the corpus's that no clone had."""
    crop: str
    """x y w h in pixels of the published picture; empty for the whole."""
    licence: str
    set_apart: str = ""
    """Why it is not really an original, where it is not."""

    @property
    def box(self) -> Box | None:
        """left, top, right, bottom of the crop, in pixels."""
        if not self.crop:
            return None
        x, y, width, height = map(int, self.crop.split())
        return x, y, x + width, y + height

    @property
    def stem(self) -> str:
        slug = re.sub(r"[^A-Za-z0-9]+", "-", f"{self.origin.split('/')[1]} {Path(self.path).stem}")
        return f"{self.source}_{slug.strip('-')[:80]}"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the `index.csv` that training and benchmarks read."""

    file: str
    kind: str
    label: str
    method: str
    source: str
    origin: str
    path: str
    crop: str
    licence: str
    width: int
    height: int
    style: str
    family: str


def read(listing: Path = LISTING) -> list[Original]:
    """The lines of the listing; raises Unusable where two have one source number."""
    with listing.open(newline="", encoding="utf-8") as file:
        originals = [Original(**line) for line in csv.DictReader(file)]
    twice = [name for name, n in Counter(one.source for one in originals).items() if n > 1]
    if twice:
        raise Unusable(f"{listing.name}: source numbers used twice: {', '.join(twice)}")
    return originals


class Clone:
    """A repository on this machine, read without a work tree where it is one of git.

    Raises Unusable when CLONES has no folder for the origin, or the folder is empty.
    """

    def __init__(self, clones: Path, origin: str) -> None:
        self.origin = origin
        self._folder = next(
            (at for at in (clones / origin.replace("/", "+"), clones / origin) if at.is_dir()), None
        )
        if self._folder is None:
            raise Unusable(f"{origin}: no clone of it (as {origin.replace('/', '+')})")
        places = [self._folder / place for place in (".git", "repo/.git", "repo", "")]
        self._git = next((at for at in places if (at / "objects").is_dir()), None)

    def read(self, path: str, commit: str) -> bytes:
        """The file at the commit, else at HEAD; raises Unusable when neither has it."""
        if self._git is None:
            return self._file(path)
        for revision in (commit, "HEAD"):
            blob = subprocess.run(
                ["git", f"--git-dir={self._git}", "cat-file", "blob", f"{revision}:{path}"],
                capture_output=True,
                check=False,
            )
            if blob.returncode == 0:
                return blob.stdout
        told = blob.stderr.decode(errors="replace").strip()
        raise Unusable(f"{self.origin}: {path} is neither at {commit} nor at HEAD ({told})")

    def _file(self, path: str) -> bytes:
        assert self._folder is not None
        at = (self._folder / path).resolve()
        if not at.is_relative_to(self._folder.resolve()) or not at.is_file():
            raise Unusable(f"{self.origin}: no file {path}")
        return at.read_bytes()


def checked(data: bytes, original: Original) -> bytes:
    """The bytes, unchanged; raises Unusable when they are not those that were listed."""
    if not original.sha256:
        raise Unusable(f"{original.origin}: no sha256 is listed for {original.path}")
    found = hashlib.sha256(data).hexdigest()
    if found != original.sha256:
        raise Unusable(
            f"{original.origin}: {original.path} has sha256 {found}, listed is {original.sha256}"
        )
    return data


def drawn(data: bytes) -> bytes:
    """A drawing in SVG as a PNG on white: no pixel of it was ever smaller."""
    import resvg_py

    text = data.decode("utf-8", "replace")
    return bytes(resvg_py.svg_to_bytes(svg_string=text, width=DRAWN_WIDTH, background="white"))


def cut(data: bytes, box: Box | None) -> Image.Image:
    """The picture, or the box of it, as RGB; what is transparent becomes white."""
    with Image.open(io.BytesIO(data)) as image:
        if image.has_transparency_data:
            rgba = image.convert("RGBA")
            whole = Image.new("RGB", rgba.size, "white")
            whole.paste(rgba, mask=rgba.getchannel("A"))
        else:
            whole = image.convert("RGB")
    return whole.crop(box) if box else whole


def store(data: bytes, original: Original, out: Path) -> Line:
    """Writes the picture below out, as published where nothing is cut, else as PNG."""
    with Image.open(io.BytesIO(data)) as image:
        published = None if original.crop else AS_PUBLISHED.get(image.format or "")
        published = None if image.has_transparency_data else published
        size = image.size
    file = out / original.kind / f"{original.stem}{published or '.png'}"
    file.parent.mkdir(parents=True, exist_ok=True)
    if original.box:
        size = original.box[2] - original.box[0], original.box[3] - original.box[1]
    if not file.exists():
        unfinished = file.with_suffix(".part")
        if published:
            unfinished.write_bytes(data)
        else:
            cut(data, original.box).save(unfinished, "PNG")
        unfinished.rename(file)
    return Line(
        file.relative_to(out).as_posix(),
        original.kind,
        "original",
        "",
        original.source,
        original.origin,
        original.path,
        original.crop,
        original.licence,
        *size,
        original.style,
        "",
    )


def pick(originals: Iterable[Original], clones: Path, out: Path) -> Iterator[Line | Unusable]:
    """For each original the line of the index it got, or why it has none."""
    opened: dict[str, Clone | Unusable] = {}
    for original in originals:
        try:
            if original.origin not in opened:
                opened[original.origin] = Clone(clones, original.origin)
        except Unusable as missing:
            opened[original.origin] = missing
            yield missing
        clone = opened[original.origin]
        if isinstance(clone, Unusable):
            continue
        try:
            data = checked(clone.read(original.path, original.commit), original)
        except Unusable as unusable:
            yield unusable
        else:
            svg = original.path.endswith(".svg")
            yield store(drawn(data) if svg else data, original, out)


def write_index(lines: Iterable[Line], out: Path) -> None:
    """`index.csv` in one step, so that a reader never sees half of it."""
    out.mkdir(parents=True, exist_ok=True)
    unfinished = out / "index.csv.part"
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in fields(Line)])
        writer.writerows(astuple(line) for line in lines)
    unfinished.rename(out / "index.csv")


def needed(originals: Iterable[Original]) -> Iterator[str]:
    """One line for each repository: its name and how many pictures of each kind it gives."""
    counts: dict[str, Counter[str]] = {}
    for original in originals:
        what = f"{original.kind} {original.style}".strip()
        counts.setdefault(original.origin, Counter())[what] += 1
    for origin, kinds in sorted(counts.items()):
        yield f"{origin}: " + ", ".join(f"{n} {what}" for what, n in sorted(kinds.items()))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.origins", description=__doc__)
    parser.add_argument("clones", type=Path, nargs="?")
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--since", type=int, default=0, help="the first source number to pick")
    parser.add_argument("--list", action="store_true", help="only print the repositories needed")
    parser.add_argument("--listing", type=Path, default=LISTING, help="another origins.csv")
    options = parser.parse_args(arguments)
    originals = [one for one in read(options.listing) if int(one.source) >= options.since]
    if options.list:
        print("\n".join(needed(originals)))
        return 0
    if options.clones is None or options.out is None:
        parser.error("CLONES and OUT are needed")
    results = list(pick(originals, options.clones, options.out))
    lines = [result for result in results if isinstance(result, Line)]
    write_index(lines, options.out)
    for result in results:
        if isinstance(result, Unusable):
            print(result, file=sys.stderr)
    print(f"{len(lines)} of {len(originals)} pictures")
    return 0 if len(lines) == len(originals) else 1


if __name__ == "__main__":
    raise SystemExit(main())
