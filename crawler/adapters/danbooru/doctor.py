"""Every assumption of the adapter, held against the real site: at most eight requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

from crawler.adapters.base import ApiStatus, Check, Http
from crawler.adapters.danbooru.answers import is_tag_limit
from crawler.adapters.danbooru.listing import TOP
from crawler.adapters.danbooru.post import ONLY, post_id, to_candidate
from crawler.errors import BadAnswer, FetchError
from crawler.site import Site
from storage.records import Json

_Posts: TypeAlias = list[dict[str, Any]]

COMMON = ("1girl", "solo", "long_hair")
"""Tags that every site of this software has many posts of."""


class _Unmet(Exception):
    """The site does not do what is assumed; the message says what it does instead."""


async def check(site: Site, http: Http) -> AsyncIterator[Check]:
    """One check each, in this order, one request each.

    Where the host cannot be reached that is the last check. Refusals that end the source (a
    challenge, a wrong key, a rate limit) are raised.
    """
    examination = _Examination(site, http)
    checks: tuple[tuple[str, Callable[[], Awaitable[str]]], ...] = (
        ("listing: keys and order", examination.listing),
        ("paging by id", examination.keyset),
        ("free metatags and alternatives", examination.free_metatags),
        ("tag limit", examination.tag_limit),
        ("several tags in one look-up", examination.tags),
        ("aliases", examination.aliases),
        ("hidden posts have no file", examination.hidden),
        ("counts", examination.counts),
    )
    for number, (name, examine) in enumerate(checks, 1):
        try:
            yield Check(name, True, await examine())
        except (_Unmet, ApiStatus, BadAnswer) as error:
            rest = len(checks) - number
            if rest and _unreachable(error):
                yield Check(name, False, f"{error}; {rest} more not tried")
                return
            yield Check(name, False, str(error))
        except (KeyError, TypeError) as error:
            yield Check(name, False, f"an answer lacks {error}")


class _Examination:
    def __init__(self, site: Site, http: Http) -> None:
        self.site = site
        self.http = http
        self.oldest = TOP
        """The lowest id of the first listing, below which the second one is asked."""

    async def listing(self) -> str:
        posts = await self._posts("", only=ONLY)
        self.oldest = min(_ids(posts))
        _require(_ids(posts) == sorted(_ids(posts), reverse=True), "not listed newest first")
        read = [to_candidate(post, self.site) for post in posts]
        usable = [c for c in read if c.unavailable is None]
        _require(bool(usable), f"no post has a file: {[c.unavailable for c in read]}")
        for candidate in usable:
            complete = candidate.width and candidate.height and candidate.bytes and candidate.format
            _require(complete and candidate.tags, f"post {candidate.site_id} lacks size or tags")
            _require(candidate.rating and candidate.posted_at, "rating or date cannot be read")
        return f"{len(usable)} of {len(read)} newest posts have a file, its size and its md5"

    async def keyset(self) -> str:
        ids = _ids(await self._posts("", page=f"b{self.oldest}"))
        _require(ids == sorted(ids, reverse=True), "not listed newest first")
        _require(max(ids) < self.oldest, f"asked below {self.oldest}, got {max(ids)}")
        return f"below {self.oldest} comes {max(ids)}"

    async def free_metatags(self) -> str:
        tags = (
            f"{COMMON[0]} {COMMON[1]} -status:deleted filetype:jpg,png rating:g,s"
            f" (width:>=1600 or height:>=1200) mpixels:>=1.000 id:>1"
        )
        fields = "id,file_ext,rating,image_width,image_height,is_deleted"
        posts = await self._posts(tags, only=fields)
        for post in posts:
            large = post["image_width"] >= 1600 or post["image_height"] >= 1200
            fits = post["file_ext"] in ("jpg", "png") and post["rating"] in ("g", "s")
            _require(large and fits and not post["is_deleted"], f"post {post['id']} does not match")
        return f"{len(posts)} posts match two tags and seven free metatags"

    async def tag_limit(self) -> str:
        try:
            posts = await self._posts(" ".join(COMMON))
        except ApiStatus as error:
            _require(is_tag_limit(error), f"three tags are refused with {error.status}")
            return "three tags are refused, as expected of an anonymous caller or member"
        return f"three tags are allowed ({len(posts)} posts)"

    async def tags(self) -> str:
        names = sorted(COMMON)
        params = {"search[name_comma]": ",".join(names), "only": "name,post_count,is_deprecated"}
        found = _dicts(await self.http.get_json(f"{self.site.base_url}/tags.json", params))
        _require(sorted(row.get("name", "") for row in found) == names, f"got {found}")
        counts = [row.get("post_count") for row in found]
        _require(all(isinstance(count, int) and count for count in counts), f"counts are {counts}")
        return f"{len(found)} tags with their counts"

    async def aliases(self) -> str:
        params = {"search[status]": "active", "limit": "1"}
        found = _dicts(await self.http.get_json(f"{self.site.base_url}/tag_aliases.json", params))
        for row in found:
            _require("antecedent_name" in row and "consequent_name" in row, f"got {sorted(row)}")
        return f"{found[0]['antecedent_name']} is an alias" if found else "the site has none"

    async def hidden(self) -> str:
        posts = await self._listed("status:banned", only="id,md5,file_url,is_banned")
        for post in posts:
            _require(post["is_banned"] is True, f"status:banned lists post {post['id']}")
            _require("md5" not in post and "file_url" not in post, f"{post['id']} gives a file")
        return f"{len(posts)} banned posts give none"

    async def counts(self) -> str:
        url = f"{self.site.base_url}/counts/posts.json"
        answer = await self.http.get_json(url, {"tags": COMMON[0]})
        counts = answer.get("counts") if isinstance(answer, dict) else None
        if not isinstance(counts, dict) or "posts" not in counts:
            raise _Unmet(f"got {answer!r:.100}")
        return f"{counts['posts']} posts of {COMMON[0]}"

    async def _posts(self, tags: str, *, page: str = f"b{TOP}", only: str = "id") -> _Posts:
        found = await self._listed(tags, page=page, only=only)
        _require(bool(found), "nothing is listed")
        return found

    async def _listed(self, tags: str, *, page: str = f"b{TOP}", only: str = "id") -> _Posts:
        params = {"tags": tags, "page": page, "limit": "3", "only": only}
        return _dicts(await self.http.get_json(f"{self.site.base_url}/posts.json", params))


def _unreachable(error: Exception) -> bool:
    cause = error.__cause__
    return isinstance(cause, FetchError) and cause.reason in ("connect_failed", "timeout")


def _dicts(answer: Json) -> _Posts:
    _require(isinstance(answer, list) and all(isinstance(r, dict) for r in answer), "not a list")
    return list(answer)


def _ids(posts: _Posts) -> list[int]:
    ids = [number for post in posts if (number := post_id(post)) is not None]
    _require(len(ids) == len(posts), "a post has no id")
    return ids


def _require(holds: object, otherwise: str) -> None:
    if not holds:
        raise _Unmet(otherwise)
