"""The worlds: what they hold, and that they are always the same."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import imagehash
import pytest
from PIL import Image

from crawler.demo.gallery import Gallery
from crawler.demo.kinds import KINDS
from crawler.demo.pictures import Recipe
from crawler.demo.posts import World
from crawler.demo.search import Search
from crawler.demo.world import REIMU, big_world, default_world, pictures_world


def test_every_declared_kind_has_posts_and_every_post_a_declared_kind(world: World) -> None:
    assert {post.kind for post in world.posts} == set(KINDS)
    assert {post.kind for post in world.posts if REIMU in post.tags} == set(KINDS)


def test_unlisted_kinds_are_those_a_query_with_the_policy_in_it_never_meets(world: World) -> None:
    policy = "-status:deleted filetype:jpg,png,webp,avif width:>=768 height:>=768 rating:g,s"
    listed = {p.kind for p in Search.of(f"{REIMU} {policy} mpixels:>=0.9", world).posts()}
    assert listed == {kind for kind, fate in KINDS.items() if not fate.unlisted}


def test_it_holds_many_of_one_character_and_some_of_others(world: World) -> None:
    assert len([post for post in world.posts if REIMU in post.tags]) >= 140
    assert len([post for post in world.posts if REIMU not in post.tags]) == 40


def test_the_same_seed_makes_the_same_world(world: World) -> None:
    assert default_world() == world


def test_files_are_what_the_posts_claim(world: World) -> None:
    assert len({post.media.md5 for post in world.posts}) == len(world.posts)
    for post in world.posts:
        data = post.media.read()
        assert (hashlib.md5(data).hexdigest(), len(data)) == (post.media.md5, post.media.size)


def test_only_the_same_picture_has_the_same_pixel_hash(world: World) -> None:
    copies: dict[str, set[str | None]] = {}
    for post in world.posts:
        copies.setdefault(post.media.pixel_hash, set()).add(post.copies or str(post.id))
    assert all(len(names) == 1 for names in copies.values())
    twins = world.of_kind("pixel_identical")
    assert len({post.media.pixel_hash for post in twins}) == 1
    assert len({post.media.md5 for post in twins}) == 2


def test_no_two_good_pictures_look_alike_unless_they_are_copies(world: World) -> None:
    good = [
        post
        for post in world.posts
        if KINDS[post.kind].state in ("accepted", "copy", "duplicate") and post.kind != "deleted"
    ]
    seen: list[tuple[str, imagehash.ImageHash]] = []
    for post in good:
        with Image.open(io.BytesIO(post.media.read())) as picture:
            picture.draft("RGB", (200, 200))
            shape = imagehash.phash(picture.convert("RGB").resize((64, 64)), 16)
        name = post.copies or str(post.id)
        near = {other for other, known in seen if shape - known < 40}
        assert near <= {name}
        seen.append((name, shape))


def test_a_second_start_draws_nothing(tmp_path: Path) -> None:
    gallery = Gallery(tmp_path)
    recipes = [Recipe(seed, 64, 64) for seed in range(3)]
    first = gallery.media(recipes)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert Gallery(tmp_path).media(recipes) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == times
    assert len(times) == 6


def test_a_lost_file_is_drawn_again(tmp_path: Path) -> None:
    media = Gallery(tmp_path).media([Recipe(1, 64, 64)])[0]
    data = media.read()
    next(path for path in tmp_path.iterdir() if path.suffix == ".jpg").unlink()
    assert Gallery(tmp_path).media([Recipe(1, 64, 64)])[0].read() == data


def test_a_big_world_has_different_valid_pictures_of_few_bytes() -> None:
    world = big_world(300)
    assert len(world.files) == 300
    shapes = set()
    for post in world.posts[:20]:
        data = post.media.read()
        assert hashlib.md5(data).hexdigest() == post.media.md5
        assert len(data) < 150_000
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            assert picture.size == (post.media.width, post.media.height)
            shapes.add(str(imagehash.phash(picture, 16)))
    assert len(shapes) == 20


def test_a_world_of_real_pictures_tells_the_truth_about_them(tmp_path: Path) -> None:
    folder, notes = tmp_path / "pictures", tmp_path / "notes"
    (folder / "deep").mkdir(parents=True)
    notes.mkdir()
    Image.new("RGB", (40, 30), "red").save(folder / "b.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (50, 20), "blue").save(folder / "deep" / "a.JPG", exif=exif)
    (folder / "copy.png").write_bytes((folder / "b.png").read_bytes())
    (folder / "notes.txt").write_text("no picture")
    world = pictures_world(folder, Gallery(notes))
    assert [(p.media.ext, p.media.width, p.media.height) for p in world.posts] == [
        ("png", 40, 30),
        ("jpg", 20, 50),
    ]
    for post in world.posts:
        assert REIMU in post.tags
        assert hashlib.md5(post.media.read()).hexdigest() == post.media.md5
    assert pictures_world(folder, Gallery(notes)) == world


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no png, jpg or webp"):
        pictures_world(tmp_path)
