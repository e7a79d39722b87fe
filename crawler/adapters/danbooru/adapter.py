"""The Danbooru adapter: a site that says everything about a post before it is fetched."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from crawler.adapters.base import ApiStatus, Check, Estimate, Http, Page, Partition, Predicate
from crawler.adapters.danbooru import doctor
from crawler.adapters.danbooru.answers import is_tag_limit, meaning
from crawler.adapters.danbooru.listing import Listing, Position
from crawler.adapters.danbooru.post import ONLY, BadPost, post_id, to_candidate
from crawler.adapters.danbooru.query import ANONYMOUS_TAG_LIMIT, ORDERING, Query, parse
from crawler.adapters.danbooru.tags import resolved
from crawler.errors import BadAnswer, RefusedQuery, UsageError
from crawler.refusal import refuse_blocked
from crawler.site import Site
from filters.base import option
from filters.content import RATINGS, blocked_words
from storage.records import Candidate, Json

log = logging.getLogger(__name__)

TIERS = {
    "official": ("official_art",),
    # The site's own tags highres and absurdres, spelled in terms that cost nothing.
    "highres": ("solo", "(width:>=1600 or height:>=1200)"),
    "rest": (),
}
"""Tier -> what it asks for besides the query. The rest is the query itself."""

_FORMATS = frozenset(("jpg", "png", "gif", "webp", "avif", "mp4", "webm", "swf", "zip"))
_RATINGS = "gsqe"


@dataclass(frozen=True)
class DanbooruOptions:
    """How a search is listed."""

    tiers: tuple[str, ...] = option(
        ("rest",),
        "consecutive parts, best first: official (official art), highres (alone and large), rest",
        choices=tuple(TIERS),
    )
    deleted: bool = option(False, "list posts that the site has deleted, too")


class Danbooru:
    """One instance of Danbooru's software: Danbooru, Safebooru, Aibooru, a server of one's own.

    Posts are listed newest first by id, filtered by the site as far as the caller's tag limit
    allows; the only rung is the original file, with its md5 and size.
    """

    name: ClassVar[str] = "danbooru"
    summary: ClassVar[str] = "Danbooru and sites of the same software: tagged drawings"
    default_site: ClassVar[Site] = Site(
        "danbooru", "danbooru", "https://danbooru.donmai.us", rate=1.0, connections=4
    )
    Options: ClassVar[type[Any]] = DanbooruOptions
    default_want: ClassVar[int | None] = 200
    source_rank: ClassVar[int] = 10

    def __init__(self, site: Site, options: DanbooruOptions) -> None:
        for tier in options.tiers:
            if tier not in TIERS:
                raise UsageError(f"no tier called {tier!r}; there are: {', '.join(TIERS)}")
        if not options.tiers:
            raise UsageError(f"name at least one tier of: {', '.join(TIERS)}")
        self.site = replace(site, base_url=site.base_url.rstrip("/"))
        self.options = options

    def canonical(self, words: Sequence[str]) -> str:
        """The search in its one spelling.

        Raises RefusedQuery for what content safety never asks for, UsageError for an empty or
        broken search and for orders that walking by id would drop.
        """
        query = parse(" ".join(words))
        if not query.terms:
            raise UsageError("a search needs at least one tag")
        if blocked_words(_asked(query)):
            raise RefusedQuery("this search is never sent: it asks for sexualised minors")
        for term in query.terms:
            if ORDERING.fullmatch(term.metatag):
                raise UsageError(
                    f"{term.text} cannot be asked for: posts are walked by id, newest first",
                    hint="use --want for a number of images, tiers for the best first",
                )
        if not query.stable:
            raise UsageError(f"{query} would read otherwise: write its groups without a smiley")
        return str(query)

    async def resolve(self, query: str, http: Http) -> str:
        """The search with aliases replaced; see :func:`crawler.adapters.danbooru.tags.resolved`."""
        return self.canonical([str(await resolved(parse(query), self.site.base_url, http))])

    def partitions(self, query: str, predicate: Predicate) -> Sequence[Partition]:
        """One part for each tier that the tag limit has room for.

        Without an account the limit is known; with one, the site says so when it is asked. Raises
        UsageError where no tier fits, or where the search and ``predicate`` exclude each other, and
        RefusedQuery where the search, now resolved, is never sent at the ratings of ``predicate``.
        """
        parsed = parse(query)
        refuse_blocked(_asked(parsed), predicate.ratings or RATINGS)
        filters = _filters(parsed, predicate, deleted=self.options.deleted)
        tiers = list(dict.fromkeys(self.options.tiers))
        fitting = [tier for tier in tiers if self._fits(parsed, tier)]
        for tier in tiers:
            if tier not in fitting:
                log.warning("no room in the tag limit for the tier %s: skipped", tier)
        if not fitting:
            raise UsageError(
                f"{query!r} leaves no room in the tag limit for the tier {' or '.join(tiers)}",
                hint="use fewer tags, an account with a higher limit, or the tier 'rest'",
            )
        return [
            Partition(
                tier,
                {
                    "tags": parsed.narrowed(*TIERS[tier], *filters),
                    "optional": tier != fitting[-1],
                },
            )
            for tier in fitting
        ]

    def _fits(self, query: Query, tier: str) -> bool:
        if tier == "rest" or self.site.credentials is not None:
            return True
        return parse(query.narrowed(*TIERS[tier])).cost <= ANONYMOUS_TAG_LIMIT

    async def discover(
        self, partition: Partition, cursor: Json | None, http: Http
    ) -> AsyncIterator[Page]:
        """Pages of up to 200 posts, newest first; after the end, only posts with a higher id.

        Raises UsageError (422) and BadAnswer (410, a search the database cannot finish).
        """
        listing = Listing(self.site.base_url, partition.listing["tags"], http)
        at = Position.of(cursor)
        while at.below is not None:
            try:
                rows, at = await listing.next(at)
            except ApiStatus as error:
                if is_tag_limit(error) and partition.listing["optional"]:
                    log.warning("no room in the tag limit for %s: skipped", partition.name)
                    return
                raise meaning(error) from error
            if rows or at.cursor != cursor:
                yield self._page(rows, at)

    def _page(self, rows: Sequence[Json], at: Position) -> Page:
        candidates: list[Candidate] = []
        dropped: Counter[str] = Counter()
        for row in rows:
            try:
                candidates.append(to_candidate(row, self.site))
            except BadPost:
                dropped["bad_post"] += 1
            except Exception:
                # Reading a post is made to stand anything: where it does not, it costs one post.
                log.exception("post %s cannot be read", post_id(row))
                site, number = self.site, str(post_id(row))
                candidates.append(
                    Candidate(site.name, site.base_url, number, unavailable="bad_post")
                )
        return Page(candidates, at.cursor, dropped)

    async def refresh(self, candidate: Candidate, http: Http) -> Candidate:
        """Read one post again: a replaced file has another md5 and URL; a lost post is ``gone``."""
        url = f"{self.site.base_url}/posts/{candidate.site_id}.json"
        try:
            row = await http.get_json(url, {"only": ONLY})
        except ApiStatus as error:
            if error.status in (404, 410, 451):
                return replace(candidate, ladder=(), pixel_hash=None, unavailable="gone")
            raise meaning(error) from error
        if str(post_id(row)) != candidate.site_id:
            raise BadAnswer(f"{url} answers with another post")
        return to_candidate(row, self.site)

    async def estimate(self, partition: Partition, http: Http) -> Estimate:
        """The site's own count: some minutes old, and None where counting took it too long."""
        url = f"{self.site.base_url}/counts/posts.json"
        try:
            answer = await http.get_json(url, {"tags": partition.listing["tags"]})
        except ApiStatus as error:
            if error.status == 500:
                return Estimate()
            raise meaning(error) from error
        counts = answer.get("counts") if isinstance(answer, dict) else None
        count = counts.get("posts") if isinstance(counts, dict) else None
        return Estimate(count if type(count) is int and count >= 0 else None)

    def doctor(self, http: Http) -> AsyncIterator[Check]:
        """Hold what this adapter assumes against the site."""
        return doctor.check(self.site, http)


def _asked(query: Query) -> list[str]:
    """The words of a search, and once more the values of its metatags, for content safety."""
    return [str(query), *(t.value for t in query.terms if t.metatag and not t.negative)]


def _filters(query: Query, predicate: Predicate, *, deleted: bool) -> list[str]:
    """The predicate in metatags that cost nothing; never stricter than the predicate."""
    own = {term.metatag: term for term in query.terms}
    words = []
    if not deleted and "status" not in own:
        words.append("-status:deleted")
    formats = [{"jpeg": "jpg"}.get(name, name) for name in predicate.formats]
    if formats := [name for name in dict.fromkeys(formats) if name in _FORMATS]:
        words.append(f"filetype:{','.join(formats)}")
    if predicate.min_width > 0:
        words.append(f"width:>={predicate.min_width}")
    if predicate.min_height > 0:
        words.append(f"height:>={predicate.min_height}")
    thousands = predicate.min_pixels // 1000
    if thousands and predicate.min_pixels > predicate.min_width * predicate.min_height:
        # Rounded down to what the site compares with.
        words.append(f"mpixels:>={thousands // 1000}.{thousands % 1000:03d}")
    ratings = [rating for rating in _RATINGS if rating in predicate.ratings]
    _check_rating(query, ratings)
    if 0 < len(ratings) < len(_RATINGS):
        words.append(f"rating:{','.join(ratings)}")
    return words


def _check_rating(query: Query, ratings: Sequence[str]) -> None:
    """A search for works that the policy will refuse would find nothing and say nothing."""
    asked = [t for t in query.terms if t.metatag == "rating"]
    if query.either or len(asked) != 1 or asked[0].negative or not ratings:
        return
    letters = {word[0] for word in asked[0].value.split(",") if word}
    if letters and not letters & set(ratings):
        raise UsageError(
            f"{asked[0].text} was searched for, but the crawl keeps only {','.join(ratings)}",
            hint=f"add --rating {','.join(sorted(letters))}",
        )
