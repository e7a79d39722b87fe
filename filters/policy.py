"""The policy: every filter's thresholds and what is allowed, as one immutable value."""

from __future__ import annotations

import dataclasses
import difflib
import errno
import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_origin, get_type_hints

from filters.base import Claims, Filter, Measures, Rejection, measures_pixels
from filters.configurable import Configurable

if TYPE_CHECKING:
    from filters.picture import Picture


log = logging.getLogger(__name__)

FAILED = "filter_failed"
"""The reason where a filter raised: a trouble of ours that says nothing of the work."""
VERSIONS = "versions"
"""The key of the filters' versions in a kept policy."""
_NO_RESOURCE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT})
"""Troubles of this machine, which a filter only happened to meet."""


class PolicyError(ValueError):
    """A threshold that does not exist, or a value it cannot take."""


@dataclass(frozen=True)
class Policy:
    """One section of options per filter, and the reasons a person has allowed.

    ``versions`` is no choice of anybody: those of the filters, by name. A crawl that was judged by
    another version of one, or without it, follows another policy.
    """

    sections: Mapping[str, Any]
    allow: frozenset[str] = frozenset()
    versions: Mapping[str, int] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.sections[name]

    def first(self, found: Iterable[Rejection]) -> Rejection | None:
        """The first objection whose reason nobody has allowed.

        For filters with several reasons: an allowed one must not hide the next.
        """
        return next((r for r in found if r.reason not in self.allow), None)

    def to_json(self) -> dict[str, Any]:
        """A JSON object from which a :class:`Judge` of the same versions makes an equal policy."""
        out: dict[str, Any] = {
            name: {k: _plain(v) for k, v in dataclasses.asdict(section).items()}
            for name, section in sorted(self.sections.items())
            if dataclasses.fields(section)
        }
        out["allow"] = sorted(self.allow)
        out[VERSIONS] = dict(sorted(self.versions.items()))
        return out


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


class Judge:
    """The filters in their order: prescreens, measures and judges a work as one.

    The verdict is a pure function of (claims, measures, policy): :meth:`verdict`. A filter that
    raises costs the work in hand: the objection is then :data:`FAILED` by that filter, unless
    another filter objects. For a forced one (content safety) it stands whatever the others say.
    """

    def __init__(self, filters: Iterable[Filter]) -> None:
        # Content safety is asked first, whatever the order that a plug-in gives itself.
        by_order = sorted(filters, key=lambda f: (not f.forced, f.order, f.name))
        self.filters: tuple[Filter, ...] = tuple(by_order)
        self._configurable = tuple(f for f in by_order if isinstance(f, Configurable))
        self._measuring = tuple(
            f for f in by_order if f not in self._configurable and measures_pixels(f)
        )
        self._logged: set[tuple[str, str]] = set()

    def policy(self, values: Mapping[str, Any] | None = None) -> Policy:
        """Make a policy from ``{"resolution": {"min_side": 768}, …, "allow": ["comic"]}``.

        What a kept policy says of versions is passed over: the filters of today judge. Raises
        PolicyError for an unknown section, option or reason and for a value out of range.
        """
        given = dict(values or {})
        given.pop(VERSIONS, None)
        allow = frozenset(given.pop("allow", ()))
        sections: dict[str, Any] = {}
        for filter in self.filters:
            options = _options(filter, dict(given.pop(filter.name, {})))
            sections[filter.name] = (
                filter.kept(options) if isinstance(filter, Configurable) else options
            )
        if given:
            raise PolicyError(_unknown("policy section", next(iter(given)), sections))
        allowable = {r for f in self.filters if not f.forced for r in f.reasons}
        for reason in sorted(allow - allowable):
            raise PolicyError(_unknown("reason to allow", reason, allowable))
        return Policy(sections, allow, {f.name: f.version for f in self.filters})

    def configured(self, policy: Policy) -> Judge:
        """A judge that measures what this policy asks: most filters measure the same by any.

        Raises PolicyError where what an option names is not what it was.
        """
        return Judge(
            f.configured(policy[f.name]) if isinstance(f, Configurable) else f for f in self.filters
        )

    def is_measured(self, measures: Mapping[str, Measures], policy: Policy) -> bool:
        """Whether what was measured of a picture, perhaps for others, is what this policy asks.

        It is not where a filter came later, or measures otherwise by now.
        """
        return all(
            measures.get(f.name, {}).get("version") == f.version for f in self._measuring
        ) and all(
            f.is_measured(measures.get(f.name, {}), policy[f.name]) for f in self._configurable
        )

    def together(
        self, before: Mapping[str, Measures], now: Mapping[str, Measures]
    ) -> dict[str, Measures]:
        """What was measured of one picture by another policy's filters, and now."""
        out = dict(now)
        for filter in self._configurable:
            if old := before.get(filter.name):
                out[filter.name] = filter.together(old, now.get(filter.name, {}))
        return out

    def reasons(self) -> dict[str, str]:
        """Every reason of every filter, with the line that explains it."""
        return {reason: line for f in self.filters for reason, line in f.reasons.items()}

    def measure(self, picture: Picture) -> dict[str, Measures]:
        """What every filter measures, by filter name, each with its ``version``.

        That alone where it found nothing to measure. Of a filter that raised, ``failed`` says why.
        Raises PictureError and MemoryError.
        """
        out: dict[str, Measures] = {}
        for filter in self.filters:
            try:
                measured = _checked_measures(filter.measure(picture))
            except Exception as error:
                out[filter.name] = {
                    "version": filter.version,
                    "failed": self._failure(filter, error),
                }
            else:
                if measured or filter in self._measuring:
                    out[filter.name] = {"version": filter.version, **measured}
        return out

    def prescreen(self, claims: Claims, policy: Policy) -> Rejection | None:
        """The first objection to what the source says of the work."""
        return self._first(policy, lambda f: f.prescreen(claims, policy))

    def verdict(
        self, claims: Claims, measures: Mapping[str, Measures], policy: Policy
    ) -> Rejection | None:
        """The first objection to the work, by what was measured, else by what is claimed.

        A filter that measured the picture judges it; the others say what they say of the claims.
        """

        def judged(filter: Filter) -> Rejection | None:
            measured = measures.get(filter.name, {})
            if measured.keys() <= {"version"}:
                return filter.prescreen(claims, policy)
            if "failed" in measured:
                return Rejection(FAILED, measured["failed"])
            return filter.judge(claims, measured, policy)

        return self._first(policy, judged)

    def _first(self, policy: Policy, ask: Callable[[Filter], Rejection | None]) -> Rejection | None:
        failed: Rejection | None = None
        for filter in self.filters:
            try:
                found = ask(filter)
                if found is None or (found.reason in policy.allow and not filter.forced):
                    continue
                found = _checked_rejection(dataclasses.replace(found, by=filter.name))
            except Exception as error:
                found = Rejection(FAILED, self._failure(filter, error), by=filter.name)
            if found.reason != FAILED or filter.forced:
                return found
            failed = failed or found
        return failed

    def _failure(self, filter: Filter, error: Exception) -> str:
        """One line on what a filter raised; each kind is logged in full once."""
        if _is_no_filters_fault(error):
            raise error
        told = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        what = told.encode(errors="backslashreplace").decode()
        if (filter.name, type(error).__name__) not in self._logged:
            self._logged.add((filter.name, type(error).__name__))
            log.error("the filter %s failed: %s", filter.name, what, exc_info=error)
        return what


def laid_over(policy: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` laid on a policy, option by option; what is allowed adds up."""
    out: dict[str, Any] = {
        name: {**policy.get(name, {}), **over.get(name, {})}
        for name in {*policy, *over} - {"allow"}
    }
    out["allow"] = sorted({*policy.get("allow", ()), *over.get("allow", ())})
    return out


def failed_measures(measures: Mapping[str, Measures]) -> bool:
    """Whether some filter could not measure a picture."""
    return any("failed" in measured for measured in measures.values())


def _checked_measures(measured: Measures) -> Measures:
    """What a filter measured, fit to be kept as JSON. Raises TypeError and ValueError."""
    for name, value in measured.items():
        _check_text("the name of a measure", name)
        _check_scalar(f"{name} is measured as", value)
    return measured


def _checked_rejection(found: Rejection) -> Rejection:
    """An objection, fit to be kept. Raises TypeError and ValueError."""
    if not isinstance(found.reason, str):
        raise TypeError(f"the reason is a {type(found.reason).__name__}")
    _check_text("the reason", found.reason)
    _check_scalar(f"{found.reason} is measured as", found.measured)
    _check_scalar(f"{found.reason} has the threshold", found.threshold)
    return found


def _check_scalar(what: str, value: Any) -> None:
    if value is not None and not isinstance(value, (str, int, float)):
        raise TypeError(f"{what} {type(value).__name__}, which JSON has not")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{what} {value}, which JSON has not")
    if isinstance(value, str):
        _check_text(what, value)


def _check_text(what: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:  # half a character
        raise ValueError(f"{what} {text!a}, which UTF-8 has not") from error


def _is_no_filters_fault(error: Exception) -> bool:
    # A picture that turns out to be broken, and what this machine lacks, have reasons of their own.
    from filters.picture import PictureError

    if isinstance(error, OSError):
        return error.errno in _NO_RESOURCE
    return isinstance(error, (MemoryError, PictureError))


def _options(filter: Filter, values: dict[str, Any]) -> Any:
    fields = {f.name: f for f in dataclasses.fields(filter.Options)}
    hints = get_type_hints(filter.Options)
    for key, value in values.items():
        if key not in fields:
            raise PolicyError(_unknown(f"option of {filter.name}", key, fields))
        values[key] = _checked(f"{filter.name}.{key}", fields[key], hints[key], value)
    return filter.Options(**values)


def _checked(name: str, field: dataclasses.Field[Any], hint: Any, value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        value = tuple(value)
    elif hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    plain = hint if isinstance(hint, type) else None
    if plain in (int, float, str, bool) and type(value) is not plain:
        raise PolicyError(f"{name} takes {plain.__name__}, not {value!r}")
    if get_origin(hint) is tuple and not isinstance(value, tuple):
        raise PolicyError(f"{name} takes a list, not {value!r}")
    if choices := field.metadata.get("choices"):
        for word in value if isinstance(value, tuple) else (value,):
            if word not in choices:
                raise PolicyError(_unknown(f"value of {name}", str(word), choices))
    low, high = field.metadata.get("low"), field.metadata.get("high")
    if isinstance(value, (int, float)):
        if not math.isfinite(value):
            raise PolicyError(f"{name} is a number, not {value!r}")
        if low is not None and value < low:
            raise PolicyError(f"{name} is at least {low:g}, not {value!r}")
        if high is not None and value > high:
            raise PolicyError(f"{name} is at most {high:g}, not {value!r}")
    return value


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    names: Sequence[str] = sorted(known)
    close = difflib.get_close_matches(name, names, n=3)
    hint = f"did you mean {', '.join(close)}?" if close else f"there are: {', '.join(names)}"
    return f"no {what} called {name!r}; {hint}"
