"""The default world of the demo site: one character in every kind of post there is."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from crawler.demo.big import big_world
from crawler.demo.faults import Body, Corrupt, Fault, Status, Truncate
from crawler.demo.folder import pictures_world
from crawler.demo.gallery import Gallery
from crawler.demo.pictures import Recipe
from crawler.demo.posts import SITE_TIME, Media, Post, Tags, World, size_tags

__all__ = ["MARISA", "REIMU", "World", "big_world", "default_world", "pictures_world"]

REIMU: Final = "hakurei_reimu"
MARISA: Final = "kirisame_marisa"
OTHERS: Final = (MARISA, MARISA, MARISA, "izayoi_sakuya", "cirno")
EPOCH: Final = datetime(2024, 3, 1, 12, 0, 0, tzinfo=SITE_TIME)
FIRST_ID: Final = 7_000_001

ALIASES: Final[Mapping[str, str]] = {
    "marisa": MARISA,
    "reimu": REIMU,
    "reimu_hakurei": REIMU,
    "grayscale": "greyscale",
}
IMPLICATIONS: Final = (
    ("greyscale", "monochrome"),
    ("absurdres", "highres"),
    ("animated_gif", "animated"),
)
GENERAL: Final = (
    *("long_hair", "short_hair", "brown_hair", "blonde_hair", "red_eyes", "yellow_eyes", "smile"),
    *("ribbon", "hair_ribbon", "bow", "hat", "witch_hat", "detached_sleeves", "skirt", "dress"),
    *("looking_at_viewer", "outdoors", "sky", "cloud", "tree", "flower", "cherry_blossoms"),
    *("standing", "sitting", "flying", "upper_body", "full_body", "simple_background", "gohei"),
    *("broom", "yin_yang", "torii", "night", "moon", "star_(symbol)", "holding", "shrine"),
)
ARTISTS: Final = ("aoi_mizu", "kirin_note", "sumi_no_e", "nightglass", "mofu_panda", "tegami")
NON_ASCII_ARTISTS: Final = ("水無月あおい", "éloïse_dürer", "김하늘")
PARENTHESIS_ARTISTS: Final = ("hana_(studio_tsubaki)", "ren_(pixel(art))")
HOSTILE_ARTISTS: Final = ("../../etc/passwd", "<script>alert(1)</script>", "con.", "%2e%2e%2f;rm")
KAOMOJI: Final = (":d", ">_<", "^_^", "o_o", ";)", "+_+", "=_=", "@_@")
HIGHRES: Final = ((900, 1200), (1000, 1250), (1200, 900), (1024, 1280), (1200, 1600), (960, 1240))
ABSURDRES: Final = ((1700, 2400), (2400, 1700), (1800, 2400))
PLAIN: Final = ((1000, 1100), (1100, 1000), (1050, 1050), (1150, 900))


@dataclass(frozen=True)
class _Plan:
    """Posts of one kind: how many of the main character's, how their files and tags differ."""

    kind: str
    count: int
    recipe: Mapping[str, Any] = field(default_factory=dict)
    sizes: tuple[tuple[int, int], ...] = HIGHRES
    general: tuple[str, ...] = ()
    meta: tuple[str, ...] = ()
    artists: tuple[str, ...] = ARTISTS
    post: Mapping[str, Any] = field(default_factory=dict)
    solo: bool = True
    plain_tags: bool = True


_CARD: Final = {"style": "card"}
_STORY: Final = ("comic", "speech_bubble")

PLANS: Final = (
    _Plan("official_art", 8, meta=("official_art",)),
    _Plan("highres_solo", 26),
    _Plan("absurdres_solo", 4, sizes=ABSURDRES),
    _Plan("huge", 1, sizes=((2828, 4000),)),
    _Plan("plain", 12, sizes=PLAIN, solo=False),
    _Plan("photo", 3, {"style": "photo"}, general=("photo_(medium)",)),
    _Plan("webp", 3, {"ext": "webp", "quality": 90}),
    _Plan("avif", 2, {"ext": "avif", "quality": 85}),
    _Plan("png", 4, {"ext": "png"}),
    _Plan("rgba", 2, {"ext": "png", "mode": "RGBA"}, general=("transparent_background",)),
    _Plan("palette", 2, {"ext": "png", "mode": "P"}),
    _Plan("exif_rotated", 2, {"sideways": True}, meta=("exif_rotation",)),
    _Plan("non_ascii_artist", 3, artists=NON_ASCII_ARTISTS),
    _Plan("parenthesis_artist", 2, artists=PARENTHESIS_ARTISTS),
    _Plan("hostile_artist", 4, artists=HOSTILE_ARTISTS),
    _Plan("no_artist", 2, artists=()),
    _Plan("no_general", 1, plain_tags=False),
    _Plan("kaomoji", 2, general=KAOMOJI),
    _Plan("parent", 1),
    _Plan("child", 1),
    _Plan("original_of_copy", 3, {"quality": 95}),
    _Plan("near_duplicate", 3, {"quality": 70, "recompressed": 60}),
    _Plan("pixel_identical", 2, {"ext": "png"}),
    _Plan("error_once", 1),
    _Plan("truncated_once", 1),
    _Plan("replaced", 1),
    _Plan("dead", 2, _CARD),
    _Plan("md5_mismatch", 2),
    _Plan("hidden", 2, _CARD, post={"hidden": True}),
    _Plan("hidden_banned", 2, _CARD, post={"hidden": True, "is_banned": True}),
    _Plan("deleted", 3, post={"is_deleted": True}),
    _Plan("blocked_tag", 3, _CARD, general=("loli",), post={"rating": "s"}),
    _Plan("blocked_age_coded", 2, _CARD, general=("child",), post={"rating": "s"}),
    _Plan("rating_q", 3, _CARD, post={"rating": "q"}),
    _Plan("rating_e", 2, _CARD, post={"rating": "e"}),
    _Plan("too_small", 4, sizes=((300, 700), (480, 640), (520, 500), (600, 900))),
    _Plan("lowres", 2, sizes=((300, 400), (500, 480))),
    _Plan("too_few_pixels", 2, sizes=((780, 800), (800, 900))),
    _Plan("upscaled", 3, {"drawn": 0.5}, meta=("upscaled",)),
    _Plan("resized", 2, {"drawn": 0.8}, meta=("resized",)),
    _Plan("image_sample", 2, {"quality": 85}, meta=("image_sample",)),
    _Plan("jpeg_artifacts", 2, {"quality": 35}, meta=("jpeg_artifacts",)),
    _Plan("monochrome", 2, {"grey": True}, general=("monochrome",)),
    _Plan("greyscale", 2, {"mode": "L"}, general=("monochrome", "greyscale")),
    _Plan("deep_grey", 1, {"ext": "png", "mode": "I;16"}, general=("monochrome", "greyscale")),
    _Plan("comic", 2, general=_STORY),
    _Plan("ai_generated", 3, meta=("ai-generated",)),
    _Plan("third_party_edit", 1, meta=("third-party_edit",)),
    _Plan(
        "animated_gif",
        1,
        {"style": "animation", "ext": "gif"},
        sizes=((480, 640),),
        meta=("animated", "animated_gif"),
    ),
    _Plan("video", 1, {"style": "video", "ext": "mp4"}, meta=("animated", "video")),
    _Plan(
        "ugoira",
        1,
        {"style": "ugoira", "ext": "zip"},
        sizes=((480, 640),),
        meta=("animated", "ugoira"),
    ),
    _Plan("low_quality", 3, {"quality": 8}),
    _Plan("blurred", 3, {"blur": 14.0}),
    _Plan("cut_upload", 2, {"cut": 0.55}),
    _Plan("corrupted", 1, _CARD, meta=("corrupted_image",)),
)
OTHER_PLANS: Final = (
    _Plan("highres_solo", 30),
    _Plan("plain", 6, sizes=PLAIN, solo=False),
    _Plan("official_art", 2, meta=("official_art",)),
    _Plan("too_small", 2, sizes=((400, 620),)),
)


@dataclass(frozen=True)
class _Draft:
    plan: _Plan
    number: int
    character: str
    recipe: Recipe


def default_world(seed: int = 1, gallery: Gallery | None = None) -> World:
    """About 150 posts of hakurei_reimu in every kind of ``KINDS`` and 40 of others.

    The same seed makes the same world. The first time on a machine the pictures are drawn, which
    takes a few seconds; later starts find them in ``gallery`` (default: the temporary folder).
    """
    rng = random.Random(seed)
    drafts = _drafts(rng, seed)
    rng.shuffle(drafts)
    gallery = gallery or Gallery()
    recipes = [draft.recipe for draft in drafts]
    # The file that was replaced is gone: only its name is ever seen.
    spare = [replace(d.recipe, style="card") for d in drafts if d.plan.kind == "replaced"]
    media = gallery.media([*recipes, *spare])
    gone = iter(media[len(recipes) :])
    posts = []
    for number, (draft, one) in enumerate(zip(drafts, media, strict=False)):
        post = _post(rng, number, draft, one)
        if draft.plan.kind == "replaced":
            post = replace(post, media=next(gone), replacement=post.media)
        posts.append(post)
    posts = _related(posts)
    return World(
        tuple(posts),
        ALIASES,
        IMPLICATIONS,
        {"tagme_(empty)": "general", "nobody_(touhou)": "character"},
        frozenset({"hat"}),
        tuple(fault for post in posts for fault in _troubles(post)),
    )


def _drafts(rng: random.Random, seed: int) -> list[_Draft]:
    drafts: list[_Draft] = []
    originals: list[Recipe] = []
    for plans, characters in ((PLANS, (REIMU,)), (OTHER_PLANS, OTHERS)):
        for plan in plans:
            for number in range(plan.count):
                character = characters[number % len(characters)]
                width, height = plan.sizes[number % len(plan.sizes)]
                own = seed * 100_000 + len(drafts) * 10
                recipe = replace(Recipe(own, width, height), **plan.recipe)
                if plan.kind == "original_of_copy":
                    originals.append(recipe)
                elif plan.kind == "near_duplicate":
                    source = originals[number]
                    recipe = replace(
                        recipe, seed=source.seed, width=source.width, height=source.height
                    )
                elif plan.kind == "pixel_identical" and number % 2:
                    recipe = replace(drafts[-1].recipe, compress_level=9)
                drafts.append(_Draft(plan, number, character, recipe))
    return drafts


def _post(rng: random.Random, number: int, draft: _Draft, media: Media) -> Post:
    plan = draft.plan
    general: tuple[str, ...] = ()
    if plan.plain_tags:
        some = rng.sample(GENERAL, rng.randint(8, 16))
        general = ("1girl", "solo") if plan.solo else ("2girls", "multiple_girls")
        general = tuple(sorted({*general, *some, *plan.general}))
    artist = (plan.artists[draft.number % len(plan.artists)],) if plan.artists else ()
    score = rng.randint(0, 80)
    values: dict[str, Any] = {
        "rating": "s" if rng.random() < 0.2 else "g",
        "source": f"https://www.pixiv.net/artworks/{90_000_000 + number}" if number % 3 else "",
        "pixiv_id": 90_000_000 + number if number % 3 else None,
        "copies": f"{plan.kind}_{draft.number // 2}" if plan.kind == "pixel_identical" else None,
        **plan.post,
    }
    if plan.kind in ("original_of_copy", "near_duplicate"):
        values["copies"] = f"copy_{draft.number}"
    return Post(
        id=FIRST_ID + number * 7,
        kind=plan.kind,
        media=media,
        tags=Tags(
            general,
            artist,
            ("touhou",),
            (draft.character,),
            tuple(sorted({*plan.meta, *size_tags(media)})),
        ),
        created_at=EPOCH + timedelta(hours=5 * number, minutes=rng.randint(0, 59)),
        score=score,
        down_score=-(score % 3),
        fav_count=score * 2,
        uploader_id=1000 + number % 9,
        **values,
    )


def _related(posts: list[Post]) -> list[Post]:
    parent = next(post for post in posts if post.kind == "parent")
    return [
        replace(post, has_children=True)
        if post.kind == "parent"
        else replace(post, parent_id=parent.id)
        if post.kind == "child"
        else post
        for post in posts
    ]


def _troubles(post: Post) -> list[Fault]:
    """What is wrong with the file of a post of this kind, at the image host."""
    file = f"/original/{post.media.path}"
    if post.kind == "dead":
        return [Fault(Status(404), match=file)]
    if post.kind == "md5_mismatch":
        if post.id % 2:
            return [Fault(Corrupt(seed=post.id), match=file)]
        return [Fault(Body(post.media.read() + b"\0later edit"), match=file)]
    if post.kind == "error_once":
        return [Fault(Status(500), match=file, nth=1)]
    if post.kind == "truncated_once":
        return [Fault(Truncate(0.6), match=file, nth=1)]
    return []
