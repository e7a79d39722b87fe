"""What chance chooses from: commands, pages, trouble, and when a process dies."""

from __future__ import annotations

from hypothesis import strategies as st

from crawler import plugins
from crawler.errors import FetchError
from filters.base import Claims, Rejection
from filters.content import VERSION, Content
from filters.policy import Judge, Policy

SITE_IDS = [str(n) for n in range(10)]
QUERIES = ("one", "two")
POLICIES = (
    {"resolution": {"min_side": 768, "min_pixels": 1}},
    {"resolution": {"min_side": 512, "min_pixels": 1}},
    {"resolution": {"min_side": 950, "min_pixels": 1}, "content": {"ratings": ("g", "s", "e")}},
)
TROUBLE = (
    FetchError("timeout", transient=True),
    FetchError("truncated", transient=True),
    FetchError("decode_error"),
    FetchError("http_404"),
    FetchError("too_many_pixels"),
)


class GrownContent(Content):
    """Content safety of a later day: it blocks works that it let pass before."""

    version = VERSION + 1
    words = frozenset({"tag_of_2", "tag_of_7"})

    def prescreen(self, claims: Claims, policy: Policy) -> Rejection | None:
        if self.words & {tag for tags in claims.tags.values() for tag in tags}:
            return Rejection("blocked_content")
        return super().prescreen(claims, policy)


def judge(*, grown: bool) -> Judge:
    """Our filters, those of today or of a later day."""
    filters = plugins.judge().filters
    return Judge(GrownContent() if grown and f.name == "content" else f for f in filters)


def fuses(longest: int) -> st.SearchStrategy[int | None]:
    """At which edge of a commit the process is killed; mostly it is not."""
    return st.sampled_from([*[None] * (6 * longest + 6), *range(longest + 1)])


ids = st.sampled_from(SITE_IDS)
Command = tuple[str, dict[str, object], int | None]
"""What is run: a query, a policy and how many pictures are wanted."""
commands: st.SearchStrategy[Command] = st.tuples(
    st.sampled_from(QUERIES),
    st.sampled_from(POLICIES),
    st.sampled_from([None, None, 1, 2, 3, 4, 0]),
)
listings = st.lists(ids, min_size=1, max_size=3)
