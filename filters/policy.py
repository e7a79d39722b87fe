"""The policy: every filter's thresholds and what is allowed, as one immutable value."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_origin, get_type_hints

from filters.base import Claims, Filter, Measures, Rejection

if TYPE_CHECKING:
    from filters.picture import Picture


class PolicyError(ValueError):
    """A threshold that does not exist, or a value it cannot take."""


@dataclass(frozen=True)
class Policy:
    """One section of options per filter, and the reasons a person has allowed."""

    sections: Mapping[str, Any]
    allow: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> Any:
        return self.sections[name]

    def first(self, found: Iterable[Rejection]) -> Rejection | None:
        """The first objection whose reason nobody has allowed.

        For filters with several reasons: an allowed one must not hide the next.
        """
        return next((r for r in found if r.reason not in self.allow), None)

    def to_json(self) -> dict[str, Any]:
        """A JSON object from which :meth:`Judge.policy` makes an equal policy."""
        out: dict[str, Any] = {
            name: {k: _plain(v) for k, v in dataclasses.asdict(section).items()}
            for name, section in sorted(self.sections.items())
            if dataclasses.fields(section)
        }
        out["allow"] = sorted(self.allow)
        return out


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


class Judge:
    """The filters in their order: prescreens, measures and judges a work as one.

    The verdict is a pure function of (claims, measures, policy): :meth:`verdict`.
    """

    def __init__(self, filters: Iterable[Filter]) -> None:
        self.filters: tuple[Filter, ...] = tuple(sorted(filters, key=lambda f: (f.order, f.name)))

    def policy(self, values: Mapping[str, Any] | None = None) -> Policy:
        """Make a policy from ``{"resolution": {"min_side": 768}, …, "allow": ["comic"]}``.

        Raises PolicyError for an unknown section, option or reason and for a value out of range.
        """
        given = dict(values or {})
        allow = frozenset(given.pop("allow", ()))
        sections: dict[str, Any] = {}
        for filter in self.filters:
            sections[filter.name] = _options(filter, dict(given.pop(filter.name, {})))
        if given:
            raise PolicyError(_unknown("policy section", next(iter(given)), sections))
        allowable = {r for f in self.filters if not f.forced for r in f.reasons}
        for reason in sorted(allow - allowable):
            raise PolicyError(_unknown("reason to allow", reason, allowable))
        return Policy(sections, allow)

    def reasons(self) -> dict[str, str]:
        """Every reason of every filter, with the line that explains it."""
        return {reason: line for f in self.filters for reason, line in f.reasons.items()}

    def measure(self, picture: Picture) -> dict[str, Measures]:
        """What every filter measures, by filter name, each with its ``version``."""
        out: dict[str, Measures] = {}
        for filter in self.filters:
            if measured := filter.measure(picture):
                out[filter.name] = {"version": filter.version, **measured}
        return out

    def prescreen(self, claims: Claims, policy: Policy) -> Rejection | None:
        """The first objection to what the source says of the work."""
        for filter in self.filters:
            rejection = self._stands(filter, filter.prescreen(claims, policy), policy)
            if rejection is not None:
                return rejection
        return None

    def verdict(
        self, claims: Claims, measures: Mapping[str, Measures], policy: Policy
    ) -> Rejection | None:
        """The first objection to the work, by what was measured, else by what is claimed.

        A filter that measured the picture judges it; the others say what they say of the claims.
        """
        for filter in self.filters:
            measured = measures.get(filter.name)
            found = (
                filter.judge(claims, measured, policy)
                if measured
                else filter.prescreen(claims, policy)
            )
            rejection = self._stands(filter, found, policy)
            if rejection is not None:
                return rejection
        return None

    @staticmethod
    def _stands(filter: Filter, found: Rejection | None, policy: Policy) -> Rejection | None:
        if found is None or (found.reason in policy.allow and not filter.forced):
            return None
        return dataclasses.replace(found, by=filter.name)


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
