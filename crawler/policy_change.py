"""How one policy differs from another, in the plain values that the catalog judges by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from filters.base import Filter, says_only_bounds
from filters.policy import VERSIONS, Judge, Policy, PolicyError
from storage.judging.thresholds import Change, Threshold
from storage.records import Json


def change_of(judge: Judge, before: Mapping[str, Json], policy: Policy) -> Change:
    """The change from the policy a crawl was judged by, as it was kept, to another.

    A filter judges by its own section of the policy and by what is allowed. Where the change is
    more than thresholds and newly allowed reasons, every work has to be asked.
    """
    names = tuple(filter.name for filter in judge.filters)
    reasons = frozenset(judge.reasons())
    whole = Change(names, reasons, whole=True)
    after = policy.to_json()
    if _form(before) != _form(after):
        return whole  # a filter has come, gone or changed
    try:
        old = judge.policy(before)
    except PolicyError:
        return whole
    opaque = tuple(filter for filter in judge.filters if not _can_be_asked(filter, old, policy))
    for filter in opaque:
        if old[filter.name] != policy[filter.name]:
            return whole
        if (old.allow - policy.allow).intersection(filter.reasons):
            return whole
    doubtful = tuple(
        threshold
        for filter in opaque
        for threshold in _thresholds(filter, old, policy)
        if threshold.old != threshold.new
    )
    if not all(map(_is_plain, doubtful)):
        return whole
    return Change(
        names,
        reasons,
        tuple(
            threshold
            for filter in judge.filters
            if filter not in opaque
            for threshold in _thresholds(filter, old, policy)
        ),
        frozenset(filter.name for filter in opaque),
        frozenset(
            (filter.name, reason)
            for filter in opaque
            for reason in (policy.allow - old.allow).intersection(filter.reasons)
        ),
        doubtful,
    )


def _form(policy: Mapping[str, Any]) -> dict[str, Any]:
    """What two policies must have in common to be compared value by value."""
    return {
        name: section if name == VERSIONS else set(section)
        for name, section in policy.items()
        if name != "allow"
    }


def _can_be_asked(filter: Filter, *policies: Policy) -> bool:
    """Whether stored numbers and limits are all that a filter judges by."""
    if not says_only_bounds(filter):
        return False
    found = [one for policy in policies for one in _thresholds(filter, policy, policy)]
    told = Counter(bound.reason for bound in filter.bounds)
    return all(map(_is_plain, found)) and max(told.values(), default=1) == 1


def _is_plain(threshold: Threshold) -> bool:
    limits = (threshold.old, threshold.new)
    return threshold.can_be_asked and all(type(v) in (int, float) for v in limits if v is not None)


def _thresholds(filter: Filter, old: Policy, new: Policy) -> Iterator[Threshold]:
    for bound in filter.bounds:
        yield Threshold(
            filter.name,
            bound.reason,
            bound.measure,
            old=bound.limit(old, filter.name),
            new=bound.limit(new, filter.name),
            most=bound.most,
            claimed=bound.claimed,
        )
