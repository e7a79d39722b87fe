"""A world made from real picture files in a folder."""

from __future__ import annotations

import hashlib
import io
import json
import random
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from PIL import Image, ImageCms, ImageOps

from crawler.demo.gallery import Gallery, side_by_side, write_whole
from crawler.demo.pictures import EXIF_ORIENTATION, pixel_hash
from crawler.demo.posts import SITE_TIME, Media, Post, Tags, World, size_tags

START = datetime(2024, 1, 1, tzinfo=SITE_TIME)
GENERAL = ("long_hair", "smile", "ribbon", "hat", "outdoors", "sky", "sitting", "standing", "skirt")
EXTENSIONS = {".png": "png", ".jpg": "jpg", ".jpeg": "jpg", ".webp": "webp"}
FORMATS = ("PNG", "JPEG", "WEBP")
SIDEWAYS = (5, 6, 7, 8)
"""EXIF orientations of pictures stored lying on their side."""


def pictures_world(folder: Path | str, gallery: Gallery | None = None) -> World:
    """One post of hakurei_reimu for every png, jpg and webp below ``folder``, sorted by path.

    Sizes and hashes are measured once and remembered in ``gallery``. Raises FileNotFoundError
    where the folder holds no such file, and what Pillow raises for a file it cannot decode.
    """
    root = Path(folder)
    paths = sorted(p for p in root.rglob("*") if p.suffix.lower() in EXTENSIONS and p.is_file())
    if not paths:
        raise FileNotFoundError(f"no png, jpg or webp below {root}")
    unique: dict[str, Path] = {}
    for path in paths:
        unique.setdefault(hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest(), path)
    notes = (gallery or Gallery()).folder
    side_by_side(_measure, [(path, _note(notes, md5)) for md5, path in unique.items()])
    posts = [
        _post(number, path, _media(md5, path, _note(notes, md5)))
        for number, (md5, path) in enumerate(unique.items())
    ]
    return World(tuple(posts), {"reimu": "hakurei_reimu"})


def _note(folder: Path, md5: str) -> Path:
    return folder / f"measured-{md5}.json"


def _measure(job: tuple[Path, Path]) -> None:
    path, note = job
    if note.exists():
        return
    with Image.open(path, formats=FORMATS) as picture:
        turned = picture.format == "JPEG" and picture.getexif().get(EXIF_ORIENTATION) in SIDEWAYS
        upright = ImageOps.exif_transpose(picture) if picture.format == "JPEG" else picture
        profile = picture.info.get("icc_profile")
        if profile and upright.mode in ("RGB", "RGBA", "L", "CMYK"):
            mode = "RGBA" if upright.mode == "RGBA" else "RGB"
            plain = ImageCms.createProfile("sRGB")
            given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(upright, given, plain, outputMode=mode)
            assert converted is not None
            upright = converted
        width, height = picture.size[::-1] if turned else picture.size
        facts = {"width": width, "height": height, "pixel_hash": pixel_hash(upright)}
    write_whole(note, json.dumps(facts).encode())


def _media(md5: str, path: Path, note: Path) -> Media:
    facts = json.loads(note.read_bytes())
    ext = EXTENSIONS[path.suffix.lower()]
    size = path.stat().st_size
    read = partial(path.read_bytes)
    return Media(md5, ext, size, facts["width"], facts["height"], facts["pixel_hash"], read)


def _post(number: int, path: Path, media: Media) -> Post:
    rng = random.Random(media.md5)
    general = ("1girl", "solo", *sorted(rng.sample(GENERAL, 6)))
    tags = Tags(
        tuple(sorted(general)),
        (f"artist_{rng.randint(1, 9)}",),
        ("touhou",),
        ("hakurei_reimu",),
        size_tags(media),
    )
    when = START + timedelta(hours=number)
    return Post(
        number + 1, "picture", media, tags, when, source=path.name, score=rng.randint(0, 80)
    )
