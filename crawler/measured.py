"""What was measured of a picture, each number beside what crawls ask of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from crawler import plugins
from filters.base import Bound

_NOT_MEASURED = frozenset({"version", "failed"})


class Asks(Protocol):
    """A crawl, or whoever else has a policy; as it is kept."""

    @property
    def id(self) -> str: ...
    @property
    def policy(self) -> Mapping[str, Any]: ...


def asked_of(
    picture: Mapping[str, Any], claims: Mapping[str, Any], crawls: Sequence[Asks]
) -> list[dict[str, Any]]:
    """One object per measure and crawl that bounds it, one for a measure that none does.

    Each has ``filter``, ``measure``, ``value``; with a bound ``option``, ``least`` or ``most``,
    ``crawl_id`` and ``passes`` (None: there is nothing to compare). ``claims`` are a candidate's
    ``side`` and ``pixels``, for a picture that nobody has decoded.
    """
    measures: Mapping[str, Mapping[str, Any]] = picture.get("measures") or {}
    found: list[dict[str, Any]] = []
    bounded: set[tuple[str, str]] = set()
    for filter in plugins.judge().filters:
        for bound in filter.bounds:
            measured = measures.get(filter.name)
            if measured is None and not (bound.claimed and not picture):
                continue
            value = claims.get(bound.measure) if measured is None else measured.get(bound.measure)
            bounded.add((filter.name, bound.measure))
            found += [
                {
                    "filter": filter.name,
                    "measure": bound.measure,
                    "value": value,
                    "claimed": measured is None,
                    **_asked(filter.name, bound, value, crawl),
                }
                for crawl in crawls
            ]
    for name, measured in measures.items():
        found += [
            {"filter": name, "measure": measure, "value": value, "claimed": False}
            for measure, value in measured.items()
            if (name, measure) not in bounded and measure not in _NOT_MEASURED
        ]
    return found


def _asked(filter: str, bound: Bound, value: Any, crawl: Asks) -> dict[str, Any]:
    section, allow = bound.section or filter, crawl.policy.get("allow", ())
    limit = crawl.policy.get(section, {}).get(bound.option)
    known = isinstance(value, (int, float)) and isinstance(limit, (int, float))
    return {
        "option": f"{section}.{bound.option}",
        "most" if bound.most else "least": limit,
        "crawl_id": crawl.id,
        "reason": bound.reason,
        "allowed": bound.reason in allow or bound.unless in allow,
        "passes": bound.objection(value, limit) is None if known else None,
    }
