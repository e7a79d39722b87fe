"""The image host: originals, ranges, validators, samples and previews."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from crawler.demo.answers import PostJson
from crawler.demo.api import Asked
from crawler.demo.images import Images
from crawler.demo.posts import Post, World


@pytest.fixture(scope="module")
def images(world: World) -> Images:
    return Images(world)


@pytest.fixture(scope="module")
def post(world: World) -> Post:
    return world.of_kind("official_art")[0]


def get(images: Images, path: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = images.answer(Asked("GET", path, {}, sent))
    return answer.status, answer.body, dict(answer.headers)


def test_an_original_is_its_bytes_with_validators(images: Images, post: Post) -> None:
    status, body, headers = get(images, f"/original/{post.media.path}")
    assert (status, body) == (200, post.media.read())
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["Cache-Control"] == "public, max-age=31536000"
    assert headers["ETag"].startswith('"')
    assert headers["Last-Modified"].endswith("GMT")


@pytest.mark.parametrize(
    ("asked", "start", "end"), [("0-99", 0, 100), ("1000-", 1000, None), ("-50", -50, None)]
)
def test_ranges(images: Images, post: Post, asked: str, start: int, end: int | None) -> None:
    status, body, headers = get(images, f"/original/{post.media.path}", range=f"bytes={asked}")
    whole = post.media.read()
    assert (status, body) == (206, whole[start:end])
    first = start % len(whole)
    assert headers["Content-Range"] == f"bytes {first}-{first + len(body) - 1}/{len(whole)}"


def test_a_range_beyond_the_end_cannot_be_had(images: Images, post: Post) -> None:
    status, _, headers = get(images, f"/original/{post.media.path}", range="bytes=99999999-")
    assert (status, headers["Content-Range"]) == (416, f"bytes */{post.media.size}")


def test_a_range_of_another_version_gives_the_whole_file(images: Images, post: Post) -> None:
    path = f"/original/{post.media.path}"
    _, _, headers = get(images, path)
    wanted = {"range": "bytes=5-9"}
    assert get(images, path, **wanted, if_range=headers["ETag"])[0] == 206
    assert get(images, path, **wanted, if_range=headers["Last-Modified"])[0] == 206
    assert get(images, path, **wanted, if_range='"other"')[0] == 200
    assert get(images, path, **wanted, if_range="Mon, 01 Jan 2001 00:00:00 GMT")[0] == 200
    assert get(images, path, **wanted, if_range="nonsense")[0] == 200


def test_a_known_version_is_not_sent_again(images: Images, post: Post) -> None:
    path = f"/original/{post.media.path}"
    etag = get(images, path)[2]["ETag"]
    assert get(images, path, if_none_match=etag)[:2] == (304, b"")


def test_old_paths_lead_to_the_new(images: Images, post: Post) -> None:
    status, _, headers = get(images, f"/data/original/{post.media.path}")
    assert (status, headers["Location"]) == (308, f"/original/{post.media.path}")


def test_wrong_paths_are_not_found(images: Images, world: World, post: Post) -> None:
    md5, ext = post.media.md5, post.media.ext
    replaced = world.of_kind("replaced")[0].media
    wrong = [
        f"/original/00/zz/{md5}.{ext}",
        f"/original/{md5[:2]}/{md5[2:4]}/{md5}.png",
        f"/original/{replaced.path}",
        "/original/../../etc/passwd",
    ]
    assert [get(images, path)[0] for path in wrong] == [404] * 4


def test_every_variant_of_every_still_is_a_picture_of_the_size_told(
    images: Images, world: World
) -> None:
    told = PostJson(world, "")
    for kind in ("official_art", "webp", "rgba", "exif_rotated", "deep_grey"):
        row = told.single(world.of_kind(kind)[0])
        for variant in row["media_asset"]["variants"][:-1]:
            status, body, _ = get(images, variant["url"])
            assert status == 200
            with Image.open(io.BytesIO(body)) as picture:
                assert abs(picture.width - variant["width"]) <= 1
                assert abs(picture.height - variant["height"]) <= 1


def test_an_animation_of_stills_has_a_video_sample(images: Images, world: World) -> None:
    row = PostJson(world, "").single(world.of_kind("ugoira")[0])
    status, body, _ = get(images, row["large_file_url"])
    assert (status, body[:4]) == (200, b"\x1a\x45\xdf\xa3")
