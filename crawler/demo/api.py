"""The API of the demo site: from a request to its answer, without a network.

The rules (limits, pages, tag limit, logins, statuses) are those of the real site's source.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from crawler.demo.answers import (
    Answer,
    PostJson,
    completion_json,
    listing,
    of_error,
    of_html,
    of_json,
    read_only,
    relation_json,
    tag_json,
)
from crawler.demo.posts import Post, TagRow, World
from crawler.demo.query import QueryError, TagLimitError
from crawler.demo.search import Search, like

MOST_POSTS: Final = 200
MOST_ROWS: Final = 1000
DEFAULT_LIMIT: Final = 20

NOT_WELCOME: Final = re.compile(
    r"\s*$|mozilla/|python-requests/|python-httpx/|python-urllib/|python/[\d.]+ aiohttp/",
    re.IGNORECASE,
)
"""User-Agents that meet a challenge: none, a library's default, a browser's."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user who may log in by API key."""

    id: int
    name: str
    level: int
    level_string: str
    api_key: str
    tag_limit: int | None
    page_limit: int


ANONYMOUS: Final = Account(0, "Anonymous", 0, "Anonymous", "", 2, 1000)
ACCOUNTS: Final = (
    Account(901, "member", 20, "Member", "member-key", 2, 1000),
    Account(902, "gold", 30, "Gold", "gold-key", 6, 5000),
    Account(903, "platinum", 31, "Platinum", "platinum-key", None, 5000),
)


@dataclass(frozen=True)
class Asked:
    """One request. ``query`` and ``headers`` hold the last value of each name; header names are
    lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    has_body: bool = False


class _Refusal(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Api:
    """Answers the API requests of one world."""

    def __init__(self, world: World, cdn_url: str, accounts: Sequence[Account] = ACCOUNTS) -> None:
        self.world = world
        self.json = PostJson(world, cdn_url)
        self.accounts = {account.name: account for account in accounts}
        self._routes: Mapping[str, Callable[[Asked, Account], Answer]] = {
            "/posts.json": self._posts,
            "/posts/random.json": self._random_post,
            "/counts/posts.json": self._counts,
            "/tags.json": self._tags,
            "/tag_aliases.json": self._aliases,
            "/tag_implications.json": self._implications,
            "/autocomplete.json": self._autocomplete,
            "/profile.json": self._profile,
        }

    def answer(self, asked: Asked) -> Answer:
        """The answer to a request; errors are answers too."""
        if asked.has_body and asked.method in ("GET", "HEAD"):
            return of_error(400, f"Request body not allowed for {asked.method} request")
        if asked.method not in ("GET", "HEAD"):
            return of_error(405, f'No route matches [{asked.method}] "{asked.path}"')
        try:
            account = self._account(asked)
            if route := self._routes.get(asked.path):
                return route(asked, account)
            if found := re.fullmatch(r"/posts/(\d{1,18})\.json", asked.path, re.ASCII):
                return self._post(asked, int(found[1]))
            if re.fullmatch(r"/(posts|tags|profile|counts/posts)(/\d+)?\.\w+", asked.path):
                return of_error(406, "That format is not a supported format for this page")
        except _Refusal as refusal:
            return refusal.answer
        return of_error(404)

    def _account(self, asked: Asked) -> Account:
        login, key = asked.query.get("login"), asked.query.get("api_key")
        scheme, _, sent = asked.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                login, _, key = base64.b64decode(sent, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                login = key = ""
        if login is None and key is None:
            return ANONYMOUS
        if not login or not key:
            raise _Refusal(of_error(401, "Missing `login` or `api_key`"))
        account = self.accounts.get(login)
        if account is None or account.api_key != key:
            raise _Refusal(of_error(401, "Invalid API key"))
        return account

    def _search(self, text: str, account: Account, *, unlimited: bool = False) -> Search:
        search = Search.of(text, self.world)
        if search.query is not None:
            try:
                search.query.validate(None if unlimited else account.tag_limit)
            except TagLimitError as error:
                raise _Refusal(of_error(422, str(error), "PostQuery::TagLimitError")) from error
            except QueryError as error:
                raise _Refusal(of_error(422, str(error))) from error
        return search

    def _posts(self, asked: Asked, account: Account) -> Answer:
        only = read_only(asked.query.get("only", ""))
        if md5 := asked.query.get("md5"):
            found = self.world.get(self.world.post_of_file.get(md5.lower(), -1))
            return of_error(404) if found is None else of_json(self.json.single(found, only))
        text = asked.query.get("tags", asked.query.get("post[tags]", ""))
        search = self._search(text, account)
        wanted = search.query.metatag("limit") if search.query else None
        limit = _whole(asked.query.get("limit") or wanted or str(DEFAULT_LIMIT))
        limit = min(max(limit, 1), MOST_POSTS)
        if asked.query.get("random", "").lower() in ("1", "true", "t", "yes"):
            search = self._search(f"{text} random:{limit}", account, unlimited=True)
        posts = self._page(search, asked.query.get("page", "1"), limit, account)
        return of_json([self.json.listed(post, only) for post in posts])

    def _page(self, search: Search, page: str, limit: int, account: Account) -> list[Post]:
        if found := re.fullmatch(r"([ab])(\d{1,18})", page, re.ASCII | re.IGNORECASE):
            post_id = int(found[2])
            if found[1].lower() == "b":
                return list(islice(search.posts(below=post_id), limit))
            return list(islice(search.posts(above=post_id, ascending=True), limit))[::-1]
        number = _whole(page)
        if number > account.page_limit:
            raise _Refusal(of_error(410, f"You cannot go beyond page {account.page_limit}."))
        start = (max(number, 1) - 1) * limit
        return list(islice(search.ordered(), start, start + limit))

    def _post(self, asked: Asked, post_id: int) -> Answer:
        post = self.world.get(post_id)
        if post is None:
            return of_error(404)
        return of_json(self.json.single(post, read_only(asked.query.get("only", ""))))

    def _random_post(self, asked: Asked, account: Account) -> Answer:
        search = self._search(asked.query.get("tags", ""), account)
        post = next(search.posts(), None)
        return of_error(404) if post is None else of_json(self.json.single(post))

    def _counts(self, asked: Asked, account: Account) -> Answer:
        text = asked.query.get("tags", asked.query.get("post[tags]", ""))
        search = self._search(text, account, unlimited=True)
        return of_json({"counts": {"posts": sum(1 for _ in search.posts())}})

    def _tags(self, asked: Asked, account: Account) -> Answer:
        rows = list(self.world.tags.values())
        for key, test in _TAG_SEARCH.items():
            if value := asked.query.get(f"search[{key}]"):
                rows = [row for row in rows if test(row, value)]
        order = asked.query.get("search[order]", "")
        rows.sort(key=_TAG_ORDERS.get(order, _TAG_ORDERS["date"]))
        return self._rows(asked, [tag_json(row, self.world.made_at) for row in rows])

    def _aliases(self, asked: Asked, account: Account) -> Answer:
        return self._relations(asked, list(self.world.aliases.items()))

    def _implications(self, asked: Asked, account: Account) -> Answer:
        return self._relations(asked, list(self.world.implications))

    def _relations(self, asked: Asked, pairs: list[tuple[str, str]]) -> Answer:
        rows = [
            relation_json(number, pair, self.world.made_at)
            for number, pair in enumerate(pairs, start=1)
        ]
        for key in ("antecedent_name", "consequent_name", "status"):
            if value := asked.query.get(f"search[{key}]"):
                rows = [row for row in rows if row[key] == value]
            if value := asked.query.get(f"search[{key}_matches]"):
                wanted = like(value)
                rows = [row for row in rows if wanted.fullmatch(str(row[key]))]
        if value := asked.query.get("search[name_matches]"):
            wanted = like(value)
            keys = ("antecedent_name", "consequent_name")
            rows = [row for row in rows if any(wanted.fullmatch(row[key]) for key in keys)]
        return self._rows(asked, rows[::-1])

    def _rows(self, asked: Asked, rows: list[dict[str, Any]]) -> Answer:
        limit = min(max(_whole(asked.query.get("limit") or str(DEFAULT_LIMIT)), 1), MOST_ROWS)
        page = asked.query.get("page", "1")
        if found := re.fullmatch(r"([ab])(\d{1,18})", page, re.ASCII | re.IGNORECASE):
            edge, before = int(found[2]), found[1].lower() == "b"
            rows = [row for row in rows if (row["id"] < edge if before else row["id"] > edge)]
            rows.sort(key=lambda row: row["id"], reverse=before)
            rows = rows[:limit] if before else rows[:limit][::-1]
        else:
            start = (max(_whole(page), 1) - 1) * limit
            rows = rows[start : start + limit]
        return listing(rows, read_only(asked.query.get("only", "")))

    def _autocomplete(self, asked: Asked, account: Account) -> Answer:
        text = asked.query.get("search[query]", "").lower().strip().replace(" ", "_")
        limit = min(max(_whole(asked.query.get("limit") or "10"), 1), 20)
        if not text:
            return of_json([])
        wanted = like(text if "*" in text else f"*{text}*")
        found: dict[str, str | None] = {
            row.name: None for row in self.world.tags.values() if wanted.fullmatch(row.name)
        }
        for alias, name in self.world.aliases.items():
            if wanted.fullmatch(alias) and name not in found and name in self.world.tags:
                found[name] = alias
        rows = [(self.world.tags[name], alias) for name, alias in found.items()]
        rows = [(row, alias) for row, alias in rows if row.post_count]
        rows.sort(key=lambda one: (one[0].name != text, -one[0].post_count, one[0].name))
        made_at = self.world.made_at
        return of_json([completion_json(row, alias, made_at) for row, alias in rows[:limit]])

    def _profile(self, asked: Asked, account: Account) -> Answer:
        return of_json(
            {
                "id": account.id or None,
                "name": account.name,
                "level": account.level,
                "level_string": account.level_string,
                "blacklisted_tags": "guro\nscat",
                "per_page": DEFAULT_LIMIT,
                "statement_timeout": {30: 6000, 31: 9000}.get(account.level, 3000),
                "tag_query_limit": account.tag_limit,
                "favorite_tags": None,
            }
        )


def challenge() -> Answer:
    """The page that stands before the site for clients that are not welcome."""
    headers = {"cf-mitigated": "challenge", "server": "cloudflare"}
    return of_html(403, "Just a moment...", headers)


def too_many_requests() -> Answer:
    """What the web server in front of the site says to too many requests: no Retry-After."""
    return of_html(429, "429 Too Many Requests", {"server": "nginx"})


def _whole(text: str) -> int:
    """The whole number at the start of a text, 0 where there is none."""
    found = re.match(r"\s*([+-]?\d{1,18})", text, re.ASCII)
    return int(found[1]) if found else 0


def _count(row: TagRow, value: str) -> bool:
    found = re.fullmatch(r"(>=|<=|>|<)?(\d{1,12})(\.\.(\d{1,12})?)?", value, re.ASCII)
    if found is None:
        return False
    low, high = int(found[2]), int(found[4]) if found[4] else math.inf
    count = row.post_count
    if found[3]:
        return low <= count <= high
    return {
        None: count == low,
        ">": count > low,
        ">=": count >= low,
        "<": count < low,
        "<=": count <= low,
    }[found[1]]


def _truth(value: str) -> bool:
    return value.lower() in ("1", "true", "t", "yes", "y")


_TAG_SEARCH: Final[Mapping[str, Callable[[TagRow, str], bool]]] = {
    "name": lambda row, value: row.name == value,
    "name_matches": lambda row, value: like(value).fullmatch(row.name) is not None,
    "name_comma": lambda row, value: row.name in value.split(","),
    "name_normalize": lambda row, value: row.name in value.lower().replace(" ", "_").split(","),
    "category": lambda row, value: str(row.category) in value.split(","),
    "post_count": _count,
    "hide_empty": lambda row, value: row.post_count > 0 or not _truth(value),
    "is_deprecated": lambda row, value: row.is_deprecated == _truth(value),
}
_TAG_ORDERS: Final[Mapping[str, Callable[[TagRow], Any]]] = {
    "count": lambda row: (-row.post_count, row.id),
    "name": lambda row: row.name,
    "date": lambda row: -row.id,
}
