"""A small store of pictures to export."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from storage.records import AcceptedImage

Make = Callable[..., AcceptedImage]


def noise(width: int, height: int, seed: int = 0, bands: int = 3) -> Image.Image:
    """A picture in which no two regions look alike."""
    rng = np.random.default_rng(seed)
    shape = (height, width, bands) if bands > 1 else (height, width)
    return Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))


def encoded(image: Image.Image, format: str, **save: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **save)
    return buffer.getvalue()


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Stores bytes as the workspace does (by hash, read-only) and tells of them."""
    store = tmp_path / "files"
    store.mkdir()

    def _make(site_id: str, data: bytes | None = None, **fields: Any) -> AcceptedImage:
        data = data or encoded(noise(48, 32, seed=sum(site_id.encode())), "JPEG", quality=90)
        with Image.open(io.BytesIO(data)) as image:
            (width, height), format = image.size, str(image.format).lower()
        sha256 = hashlib.sha256(data).hexdigest()
        path = store / f"{sha256}.{format}"
        if not path.exists():
            path.write_bytes(data)
            path.chmod(0o444)
        known: dict[str, Any] = {
            "candidate_id": 1,
            "site": "danbooru",
            "site_id": site_id,
            "sha256": sha256,
            "path": path,
            "format": format,
            "width": width,
            "height": height,
            "bytes": len(data),
            "state": "accepted",
            "tags": {
                "artist": ("some_artist",),
                "character": ("hakurei_reimu",),
                "copyright": ("touhou",),
                "general": ("1girl", "smile", "solo"),
            },
        }
        return AcceptedImage(**{**known, **fields})

    return _make


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def marks(folder: Path) -> dict[str, tuple[int, int]]:
    """(inode, time of change) of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
