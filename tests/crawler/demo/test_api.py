"""The API, rule by rule as the real site's source and recorded answers have it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.demo.answers import Answer
from crawler.demo.api import Api, Asked
from crawler.demo.big import big_world
from crawler.demo.posts import Post, World
from crawler.demo.world import REIMU

CDN = "http://127.0.0.1:9"
GOLD: dict[str, Any] = {"login": "gold", "api_key": "gold-key"}
PLATINUM: dict[str, Any] = {"login": "platinum", "api_key": "platinum-key"}

POST_KEYS = [
    "id",
    "created_at",
    "uploader_id",
    "score",
    "source",
    "md5",
    "last_comment_bumped_at",
    "rating",
    "image_width",
    "image_height",
    "tag_string",
    "fav_count",
    "file_ext",
    "last_noted_at",
    "parent_id",
    "has_children",
    "approver_id",
    "tag_count_general",
    "tag_count_artist",
    "tag_count_character",
    "tag_count_copyright",
    "file_size",
    "up_score",
    "down_score",
    "is_pending",
    "is_flagged",
    "is_deleted",
    "tag_count",
    "updated_at",
    "is_banned",
    "pixiv_id",
    "last_commented_at",
    "has_active_children",
    "bit_flags",
    "tag_count_meta",
    "has_large",
    "has_visible_children",
    "media_asset",
    "tag_string_general",
    "tag_string_character",
    "tag_string_copyright",
    "tag_string_artist",
    "tag_string_meta",
    "file_url",
    "large_file_url",
    "preview_file_url",
]
ASSET_KEYS = [
    "id",
    "created_at",
    "updated_at",
    "md5",
    "file_ext",
    "file_size",
    "image_width",
    "image_height",
    "duration",
    "status",
    "file_key",
    "is_public",
    "pixel_hash",
    "variants",
]


@pytest.fixture(scope="module")
def api(world: World) -> Api:
    return Api(world, CDN)


def ask(
    api: Api, path: str, *, method: str = "GET", body: bool = False, auth: str = "", **query: str
) -> Answer:
    headers = {"authorization": auth} if auth else {}
    return api.answer(Asked(method, path, query, headers, body))


def rows(api: Api, path: str = "/posts.json", **query: Any) -> Any:
    answer = ask(api, path, **query)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def ids(api: Api, **query: str) -> list[int]:
    return [row["id"] for row in rows(api, **query)]


def one(world: World, kind: str) -> Post:
    return world.of_kind(kind)[0]


def refused(answer: Answer, status: int, error: str, message: str) -> None:
    body = json.loads(answer.body)
    assert answer.status == status
    assert list(body) == ["success", "error", "message", "backtrace"]
    assert (body["success"], body["error"]) == (False, error)
    assert message in body["message"]


# Pages


def test_a_page_has_20_posts_and_the_newest_come_first(api: Api, world: World) -> None:
    assert ids(api) == world.ids[::-1][:20]


@pytest.mark.parametrize(("limit", "length"), [("0", 1), ("-3", 1), ("7", 7), ("999", 200)])
def test_limit_is_clamped_silently(limit: str, length: int) -> None:
    assert len(ids(Api(big_world(205), CDN), limit=limit)) == length


def test_the_parameter_beats_the_metatag_limit(api: Api) -> None:
    assert len(ids(api, tags="limit:5")) == 5
    assert len(ids(api, tags="limit:5", limit="7")) == 7


def test_numbered_pages_follow_each_other_and_words_are_page_one(api: Api, world: World) -> None:
    newest = world.ids[::-1]
    assert ids(api, page="2", limit="10") == newest[10:20]
    assert ids(api, page="nonsense", limit="10") == newest[:10]
    assert ids(api, page="1000", limit="10") == []


def test_pages_beyond_the_limit_are_gone(api: Api) -> None:
    refused(
        ask(api, "/posts.json", page="1001"),
        410,
        "PaginationExtension::PaginationError",
        "You cannot go beyond page 1000.",
    )
    assert ask(api, "/posts.json", page="5000", **GOLD).status == 200
    assert ask(api, "/posts.json", page="5001", **GOLD).status == 410


def test_before_an_id_the_newest_come_first(api: Api, world: World) -> None:
    assert ids(api, page=f"b{world.ids[50]}", limit="10") == world.ids[40:50][::-1]


def test_after_an_id_are_the_smallest_above_it_newest_first(api: Api, world: World) -> None:
    assert ids(api, page=f"a{world.ids[50]}", limit="10") == world.ids[51:61][::-1]


def test_keyset_pages_drop_the_order(api: Api, world: World) -> None:
    page = f"b{world.ids[50]}"
    assert ids(api, tags="order:score", page=page) == ids(api, page=page)


def test_keyset_pages_walk_the_whole_search_once(api: Api, world: World) -> None:
    walked: list[int] = []
    page = "b99999999"
    while listed := ids(api, tags=REIMU, page=page, limit="33"):
        walked += listed
        page = f"b{listed[-1]}"
    assert walked == [post.id for post in reversed(world.posts) if REIMU in post.tags]


def test_deleted_and_hidden_posts_are_listed(api: Api, world: World) -> None:
    listed = set(ids(api, tags=REIMU, limit="200"))
    assert {post.id for post in world.of_kind("deleted", "hidden", "hidden_banned")} <= listed


# The post


def test_a_post_has_46_keys_in_the_order_of_the_site(api: Api, world: World) -> None:
    post = one(world, "official_art")
    row = rows(api, tags=f"id:{post.id}")[0]
    assert list(row) == POST_KEYS
    assert list(row["media_asset"]) == ASSET_KEYS
    assert row["created_at"].endswith("-04:00")
    assert row["file_url"] == f"{CDN}/original/{post.media.path}"
    assert row["tag_count"] == len(row["tag_string"].split())


@pytest.mark.parametrize("kind", ["hidden", "hidden_banned"])
def test_a_hidden_post_lacks_what_leads_to_its_file(api: Api, world: World, kind: str) -> None:
    post = one(world, kind)
    row = rows(api, f"/posts/{post.id}.json")
    secret = {"md5", "file_url", "large_file_url", "preview_file_url"}
    assert list(row) == [key for key in POST_KEYS if key not in secret]
    assert len(row) == 42
    assert set(ASSET_KEYS) - set(row["media_asset"]) == {"md5", "file_key", "variants"}
    assert row["is_banned"] is (kind == "hidden_banned")
    assert post.media.md5 not in json.dumps(row)


@pytest.mark.parametrize(
    ("kind", "types"),
    [
        ("official_art", ["180x180", "360x360", "720x720", "sample", "original"]),
        ("webp", ["180x180", "360x360", "720x720", "sample", "full", "original"]),
        ("lowres", ["180x180", "360x360", "720x720", "original"]),
        ("ugoira", ["180x180", "360x360", "720x720", "sample", "original"]),
        ("animated_gif", ["180x180", "360x360", "720x720", "original"]),
    ],
)
def test_variants_stand_in_order(api: Api, world: World, kind: str, types: list[str]) -> None:
    row = rows(api, f"/posts/{one(world, kind).id}.json")
    variants = row["media_asset"]["variants"]
    assert [variant["type"] for variant in variants] == types
    assert variants[-1]["url"] == row["file_url"]
    assert variants[2]["file_ext"] == "webp"


def test_only_selects_nested_keys(api: Api) -> None:
    row = rows(api, only="id,md5,media_asset[variants[url]]", tags="status:active", limit="1")[0]
    assert list(row) == ["id", "md5", "media_asset"]
    assert list(row["media_asset"]) == ["variants"]
    assert all(list(variant) == ["url"] for variant in row["media_asset"]["variants"])


def test_only_brings_what_is_not_there_without_it(api: Api, world: World) -> None:
    child, parent = one(world, "child"), one(world, "parent")
    assert "parent" not in rows(api, f"/posts/{child.id}.json")
    assert rows(api, f"/posts/{child.id}.json", only="parent[id]")["parent"]["id"] == parent.id
    family = rows(api, f"/posts/{parent.id}.json", only="children[id]")["children"]
    assert family == [{"id": child.id}]


def test_ugoira_delays_are_in_the_metadata(api: Api, world: World) -> None:
    path = f"/posts/{one(world, 'ugoira').id}.json"
    found = rows(api, path, only="media_metadata")["media_metadata"]["metadata"]
    assert found["Ugoira:FrameDelays"] == [100, 100, 100, 100]


@given(only=st.text(alphabet="id,md5[]media_asset ", max_size=60))
def test_any_selection_is_answered(api: Api, only: str) -> None:
    assert ask(api, "/posts.json", only=only, limit="2").status == 200


def test_md5_gives_one_object_or_404(api: Api, world: World) -> None:
    post = one(world, "plain")
    assert rows(api, md5=post.media.md5)["id"] == post.id
    refused(
        ask(api, "/posts.json", md5="0" * 32),
        404,
        "ActiveRecord::RecordNotFound",
        "That record was not found.",
    )


def test_of_a_replaced_file_only_the_posts_own_page_knows_the_new(api: Api, world: World) -> None:
    post = one(world, "replaced")
    assert post.replacement is not None
    assert rows(api, tags=f"id:{post.id}")[0]["md5"] == post.media.md5
    assert rows(api, f"/posts/{post.id}.json")["md5"] == post.replacement.md5


def test_an_unknown_post_is_not_found(api: Api) -> None:
    assert ask(api, "/posts/1.json").status == 404


# Searches


def test_more_than_two_tags_are_too_many_for_anonymous(api: Api) -> None:
    refused(
        ask(api, "/posts.json", tags="touhou solo 1girl"),
        422,
        "PostQuery::TagLimitError",
        "You cannot search for more than 2 tags at a time.",
    )


def test_gold_has_six_tags_and_platinum_as_many_as_it_likes(api: Api) -> None:
    assert ask(api, "/posts.json", tags="a b c d e f", **GOLD).status == 200
    assert ask(api, "/posts.json", tags="a b c d e f g", **GOLD).status == 422
    assert ask(api, "/posts.json", tags="a b c d e f g", **PLATINUM).status == 200


def test_free_metatags_filter_for_one_tag(api: Api, world: World) -> None:
    tags = f"{REIMU} -status:deleted filetype:jpg,png,webp width:>=768 height:>=768 rating:g,s"
    assert 100 < len(ids(api, tags=tags, limit="200")) < len(world.posts)


def test_an_order_twice_is_refused(api: Api) -> None:
    answer = ask(api, "/posts.json", tags="order:score order:id")
    refused(answer, 422, "PostQuery::Error", "'order:' can't be used more than once.")


def test_an_alias_works_and_an_unknown_name_finds_nothing(api: Api) -> None:
    assert ids(api, tags="marisa") == ids(api, tags="kirisame_marisa") != []
    assert ids(api, tags="marisa_kirisame") == []


def test_counts_do_not_know_the_tag_limit(api: Api) -> None:
    counted = rows(api, "/counts/posts.json", tags=f"{REIMU} solo 1girl")
    assert counted["counts"]["posts"] > 50


def test_a_random_sample_is_no_larger_than_asked(api: Api) -> None:
    assert len(ids(api, tags=REIMU, random="true", limit="5")) == 5


# Who asks


def basic(login: str, key: str) -> str:
    return "Basic " + base64.b64encode(f"{login}:{key}".encode()).decode()


def test_logins_work_by_header_and_by_query(api: Api) -> None:
    by_header = ask(api, "/profile.json", auth=basic("gold", "gold-key"))
    by_query = ask(api, "/profile.json", login="gold", api_key="gold-key")
    assert by_header == by_query
    assert json.loads(by_header.body)["tag_query_limit"] == 6
    assert rows(api, "/profile.json")["tag_query_limit"] == 2


def test_wrong_and_half_logins_are_refused(api: Api) -> None:
    failure = "SessionLoader::AuthenticationFailure"
    refused(ask(api, "/posts.json", auth=basic("gold", "x")), 401, failure, "Invalid API key")
    refused(ask(api, "/posts.json", login="x", api_key="x"), 401, failure, "Invalid API key")
    refused(ask(api, "/posts.json", login="gold"), 401, failure, "Missing `login` or `api_key`")
    refused(ask(api, "/posts.json", api_key="x"), 401, failure, "Missing `login` or `api_key`")


# Other requests


def test_a_get_with_a_body_is_refused(api: Api) -> None:
    refused(
        ask(api, "/posts.json", body=True), 400, "RequestBodyNotAllowedError", "not allowed for GET"
    )


def test_other_methods_and_formats_are_refused(api: Api) -> None:
    assert ask(api, "/posts.json", method="POST").status == 405
    assert ask(api, "/posts.docx").status == 406
    assert ask(api, "/nowhere.json").status == 404


# Tags


def tags(api: Api, **search: str) -> list[str]:
    query = {f"search[{key}]": value for key, value in search.items()}
    return [row["name"] for row in rows(api, "/tags.json", limit="1000", **query)]


def test_tags_are_found_by_name_pattern_category_and_count(api: Api, world: World) -> None:
    assert tags(api, name=REIMU) == [REIMU]
    assert tags(api, name="hakurei*") == []
    assert set(tags(api, name_matches="hakurei*")) == {REIMU}
    assert set(tags(api, name_comma=f"{REIMU},cirno")) == {REIMU, "cirno"}
    assert REIMU in tags(api, category="4")
    assert set(tags(api, category="3")) == {"touhou"}
    assert tags(api, order="count")[0] == "touhou"
    assert tags(api, order="name") == sorted(tags(api))
    assert tags(api, is_deprecated="true") == ["hat"]
    assert "nobody_(touhou)" in tags(api)
    assert "nobody_(touhou)" not in tags(api, hide_empty="true")
    assert all(world.tags[name].post_count > 100 for name in tags(api, post_count=">100"))


def test_a_tag_tells_its_count_category_and_words(api: Api) -> None:
    row = rows(api, "/tags.json", **{"search[name]": REIMU})[0]
    assert list(row) == (
        [
            "id",
            "name",
            "post_count",
            "category",
            "created_at",
            "updated_at",
            "is_deprecated",
            "words",
        ]
    )
    assert row["words"] == ["hakurei", "reimu"]
    assert row["post_count"] == rows(api, "/counts/posts.json", tags=REIMU)["counts"]["posts"]


def test_aliases_and_implications_are_listed(api: Api) -> None:
    alias = rows(api, "/tag_aliases.json", **{"search[antecedent_name]": "marisa"})
    assert [(row["consequent_name"], row["status"]) for row in alias] == [
        ("kirisame_marisa", "active")
    ]
    implied = rows(api, "/tag_implications.json", **{"search[antecedent_name]": "greyscale"})
    assert [row["consequent_name"] for row in implied] == ["monochrome"]


def test_completion_finds_tags_and_aliases(api: Api) -> None:
    query = {"search[query]": "marisa", "search[type]": "tag_query", "limit": "10"}
    found = rows(api, "/autocomplete.json", **query)
    assert found[0]["value"] == "kirisame_marisa"
    assert list(found[0]) == [
        "type",
        "label",
        "value",
        "category",
        "post_count",
        "antecedent",
        "tag",
    ]
