"""What chance chooses from: commands, pages, trouble, and when a process dies."""

from __future__ import annotations

from hypothesis import strategies as st

from crawler.errors import FetchError

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
