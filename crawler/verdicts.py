"""From the filters' judgements to what the catalog stores, and what a policy asks of a site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields

from crawler.adapters.base import Predicate
from filters.base import Measures, Rejection
from filters.policy import FAILED, Judge, Policy
from storage.records import Candidate, Json, Ruling

FORMATS = ("jpg", "png", "webp", "avif", "gif")
"""What the safe decoder opens; anything else need not be listed."""

PENDING = Ruling("pending")
ACCEPTED = Ruling("accepted")


class Rules:
    """The verdict of one policy: a pure function of claims and measures.

    A filter that raised makes no verdict: the work is ``failed`` and tried again by the next run.
    ``broken`` notes which filters those were, and why.
    """

    def __init__(self, judge: Judge, policy: Policy) -> None:
        self.judge = judge
        self.policy = policy
        self.broken: set[tuple[str, str]] = set()

    def of_claims(self, candidate: Candidate) -> Ruling:
        """What claims alone decide; ``pending`` means the bytes are needed.

        Content safety comes before everything: a hidden post may be a blocked one.
        """
        rejection = self.judge.prescreen(candidate, self.policy)
        if rejection is not None and rejection.reason == "blocked_content":
            return self._ruling(rejection)
        if candidate.unavailable is not None:
            return Ruling("unavailable", candidate.unavailable)
        if rejection is not None:
            return self._ruling(rejection)
        if not candidate.ladder:
            return Ruling("unavailable", "no_file")
        return PENDING

    def of_picture(self, candidate: Candidate, measures: Mapping[str, Measures]) -> Ruling:
        """The verdict on a decoded picture."""
        rejection = self.judge.verdict(candidate, measures, self.policy)
        return ACCEPTED if rejection is None else self._ruling(rejection)

    def of_record(
        self, candidate: Candidate, measures: Mapping[str, Mapping[str, Json]] | None
    ) -> Ruling:
        """The verdict on what the catalog holds: measures where there are any, else claims.

        ``pending`` also means that the policy asks for more than was measured: the next run does.

        What is hidden stays hidden, though its picture is held: a work that a crawl accepted while
        it was public stays accepted until that crawl lists it or is judged again, unless it is
        blocked content, which goes at once wherever it is.
        """
        if measures is None or candidate.unavailable is not None:
            return self.of_claims(candidate)
        ruling = self.of_picture(candidate, measures)
        if ruling == ACCEPTED and not self.judge.is_measured(measures, self.policy):
            return PENDING
        return ruling

    def _ruling(self, rejection: Rejection) -> Ruling:
        if rejection.reason == FAILED:
            self.broken.add((rejection.by, str(rejection.measured)))
            return Ruling("failed", FAILED, rejection.measured, filter=rejection.by)
        return Ruling(
            "rejected", rejection.reason, rejection.measured, rejection.threshold, rejection.by
        )


def named_files(judge: Judge, policy: Policy) -> dict[str, tuple[str, ...]]:
    """``filter.option`` -> the files of this machine that a policy has filters run."""
    found = {
        f"{filter.name}.{option.name}": tuple(getattr(policy[filter.name], option.name))
        for filter in judge.filters
        for option in fields(policy[filter.name])
        if option.metadata.get("file")
    }
    return {name: files for name, files in found.items() if files}


def predicate_of(policy: Policy) -> Predicate:
    """What the policy asks of claims, for the site to filter on its side where it can.

    Never stricter than the filters: what a person allows is asked for.
    """
    resolution, content = policy["resolution"], policy["content"]
    small = "too_small" in policy.allow
    few = "too_few_pixels" in policy.allow
    return Predicate(
        min_width=0 if small else resolution.min_side,
        min_height=0 if small else resolution.min_side,
        min_pixels=0 if few else resolution.min_pixels,
        formats=FORMATS,
        ratings=tuple(content.ratings),
    )


def wider(new: Predicate, old: Mapping[str, Json]) -> bool:
    """Whether ``new`` asks for works that a listing made for ``old`` may have left out."""
    known = asdict(new)
    if set(old) != set(known):
        return True
    return (
        any(known[k] < old[k] for k in ("min_width", "min_height", "min_pixels"))
        or not set(new.formats) <= set(old["formats"])
        or not set(new.ratings) <= set(old["ratings"])
    )
