"""A site made up by chance: posts that change, files that lie, pictures that are alike."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from crawler import plugins
from crawler.acquire import Spooled
from crawler.adapters.base import Partition
from crawler.errors import FetchError
from storage.records import Candidate, Image, Rung

SITE, ORIGIN = "site", "https://site.test"
FILTERS = plugins.judge().filters


@dataclass(frozen=True)
class Picture:
    """A file that is never decoded here: its bytes are its name, its measures are made up."""

    name: str
    side: int
    pixels: str

    @property
    def data(self) -> bytes:
        return self.name.encode().ljust(100, b".")

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def md5(self) -> str:
        return hashlib.md5(self.data).hexdigest()

    @property
    def image(self) -> Image:
        measures: dict[str, dict[str, int]] = {
            **{filter.name: {"version": filter.version} for filter in FILTERS},
            "resolution": {"version": 1, "side": self.side, "pixels": self.side**2},
        }
        return Image(self.sha256, self.md5, "png", self.side, self.side, len(self.data), measures)


PICTURES = {
    picture.name: picture
    for picture in (
        Picture("large", 2000, "a"),
        Picture("large again", 2000, "a"),  # another file of the same pixels
        Picture("middle", 900, "b"),
        Picture("small", 600, "c"),
        Picture("tiny", 100, "d"),
        *(Picture(f"own {n}", 700 + 100 * n, f"own {n}") for n in range(6)),
    )
}
BY_SHA256 = {picture.sha256: picture for picture in PICTURES.values()}


@dataclass(frozen=True)
class Post:
    """What the site says of a work now, and which file it gives for it."""

    file: str = "large"
    sample: str | None = None
    """The file of a second, smaller rung."""
    says_md5: bool = True
    says_pixels: bool = True
    says_side: bool = True
    rating: str | None = "g"
    marked: bool = False
    """Its tags mark it as what is never fetched."""
    unavailable: str | None = None

    def candidate(self, site_id: str) -> Candidate:
        picture = PICTURES[self.file]
        side = picture.side if self.says_side else None
        rungs = [
            Rung(
                f"https://cdn.test/{site_id}/original",
                width=side,
                height=side,
                md5=picture.md5 if self.says_md5 else None,
                format="png",
            )
        ]
        if self.sample is not None:
            rungs.append(Rung(f"https://cdn.test/{site_id}/sample", format="png"))
        hidden = self.unavailable is not None
        return Candidate(
            SITE,
            ORIGIN,
            site_id,
            () if hidden else tuple(rungs),
            page_url=f"{ORIGIN}/{site_id}",
            tags={"general": ("loli",) if self.marked else (f"tag_of_{site_id}",)},
            rating=self.rating,
            # As at the sites we know: who tells of the pixels tells of the file, too.
            pixel_hash=picture.pixels
            if self.says_md5 and self.says_pixels and not hidden
            else None,
            animated=False,
            unavailable=self.unavailable,
        )


posts = st.builds(
    Post,
    file=st.sampled_from(["large", "large", "large again", "middle", *PICTURES]),
    sample=st.sampled_from([None, None, "large again", "small"]),
    says_md5=st.sampled_from([True, True, False]),
    says_pixels=st.booleans(),
    says_side=st.booleans(),
    rating=st.sampled_from([*"ggggs", "e", None]),
    marked=st.sampled_from([False] * 29 + [True]),
    unavailable=st.sampled_from([None] * 14 + ["hidden", "deleted"]),
)


class Bytes:
    """Awaited where bytes are asked for: whoever drives the coroutine says what comes."""

    def __await__(self) -> Generator[Bytes, FetchError | None, FetchError | None]:
        return (yield self)


class World:
    """The site, as an adapter, the network and the decoder: everything an engine asks of it."""

    def __init__(self, site_ids: list[str]) -> None:
        self.posts = dict.fromkeys(site_ids, Post())
        self.read_again: list[Candidate] = []
        """What the site said to those who asked for one post since this was last emptied."""

    def candidate(self, site_id: str) -> Candidate:
        return self.posts[site_id].candidate(site_id)

    def file(self, rung: Rung) -> Picture:
        site_id, which = rung.location.split("/")[-2:]
        post = self.posts[site_id]
        name = post.file if which == "original" else post.sample
        if name is None or post.unavailable is not None:
            raise FetchError("http_404")
        return PICTURES[name]

    # -- the network and the decoder

    async def fetch(self, rung: Rung, into: Path, **options: Any) -> Spooled:
        if (going := options.get("under_way")) is not None:
            going(True)
        trouble = await Bytes()
        if trouble is not None:
            raise trouble
        picture = self.file(rung)
        if rung.md5 is not None and rung.md5 != picture.md5:
            raise FetchError("md5_mismatch", transient=True)
        into.write_bytes(picture.data)
        return Spooled(into, len(picture.data), picture.sha256, picture.md5)

    async def inspect(self, path: Path, *, sha256: str, **_: Any) -> Image:
        return BY_SHA256[sha256].image

    # -- the adapter

    async def resolve(self, query: str, http: object) -> str:
        return query

    def partitions(self, query: str, predicate: object) -> list[Partition]:
        return [Partition("all", {})]

    async def refresh(self, candidate: Candidate, http: object) -> Candidate:
        again = self.candidate(candidate.site_id)
        self.read_again.append(again)
        return again


def without_file(candidate: Candidate) -> Candidate:
    return replace(candidate, ladder=())
