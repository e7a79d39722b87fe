"""What a filter is: the contract every judgement about a picture keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

if TYPE_CHECKING:
    from filters.picture import Picture
    from filters.policy import Policy

Scalar: TypeAlias = str | int | float | bool | None
Measures: TypeAlias = Mapping[str, Scalar]
"""What one filter measured of one picture: a flat JSON object, kept for ever."""


class Claims(Protocol):
    """What a source says of a work before anybody has looked at the bytes.

    Sizes are of the largest rung. ``tags`` maps a category (``general``, ``artist``, ``copyright``,
    ``character``, ``meta``; ``""`` where the source has none) to whole tag names as the source
    spells them; ``caption`` is a sentence. ``None`` always means "the source does not say".
    """

    @property
    def site(self) -> str: ...
    @property
    def site_id(self) -> str: ...
    @property
    def tags(self) -> Mapping[str, Sequence[str]]: ...
    @property
    def caption(self) -> str | None: ...
    @property
    def rating(self) -> str | None: ...
    @property
    def width(self) -> int | None: ...
    @property
    def height(self) -> int | None: ...
    @property
    def bytes(self) -> int | None: ...
    @property
    def md5(self) -> str | None: ...
    @property
    def format(self) -> str | None: ...
    @property
    def animated(self) -> bool | None: ...


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a work is not wanted: a stable reason, what was measured and what was asked."""

    reason: str
    measured: Scalar = None
    threshold: Scalar = None
    by: str = ""
    """The filter that said so; filled in by :class:`filters.policy.Judge`."""


def option(
    default: Any,
    help: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    source: str = "",
    file: bool = False,
) -> Any:
    """A field of a filter's Options: one threshold, with its unit, range and where it is from.

    The command line, the settings file and the reference page are made from these. ``choices``,
    where given, are the only words that the value (or each of its words) can be. ``file``: it names
    files, which a settings file names from where it lies, and a foreign one may not.
    """
    metadata = {
        "help": help,
        "unit": unit,
        "low": low,
        "high": high,
        "choices": choices,
        "source": source,
        "file": file,
    }
    if isinstance(default, (list, dict, set)):
        raise TypeError("an option's default must be immutable")
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Bound:
    """A numeric threshold: the filter objects where a measure is beyond one of its options.

    What filters say by bounds can be asked of a million stored measures at once, and shown beside
    each of them.
    """

    reason: str
    measure: str
    """The name of a number that the filter measures; None there is no objection."""
    option: str
    most: bool = False
    """Whether the option is the most that is allowed; else the least."""
    claimed: bool = False
    """Whether sizes that a source claims are judged as well: of ``side`` and ``pixels`` alone."""
    section: str = ""
    """The filter whose option it is, where that is another: one limit may hold for two measures.
    Where nobody has that filter, nothing is asked. Its reason is no other bound's of the filter."""
    unless: str = ""
    """The reason of the other filter by that option: whoever allows that allows this, too."""

    def limit(self, policy: Policy, filter: str) -> Any:
        """What a policy asks of this measure of ``filter``; None where it asks nothing.

        Raises AttributeError where the section has no such option.
        """
        section = policy.sections.get(self.section) if self.section else policy[filter]
        if section is None or not policy.allow.isdisjoint((self.reason, self.unless)):
            return None
        return getattr(section, self.option)

    def objection(self, value: Scalar, limit: float) -> Rejection | None:
        """What there is to say of one value."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        beyond = value > limit if self.most else value < limit
        return Rejection(self.reason, value, limit) if beyond else None


class Filter(Protocol):
    """One judgement about a picture. Every moment is optional: see :class:`BaseFilter`."""

    name: ClassVar[str]
    version: ClassVar[int]
    """Raised when ``measure`` changes meaning, so that old measures are known to be old."""
    order: ClassVar[int]
    """Lower judges first; the first rejection is the reason that is told."""
    reasons: ClassVar[Mapping[str, str]]
    """Every reason this filter can give, with one line that explains it to a person."""
    forced: ClassVar[bool]
    """True where ``--allow`` may not switch the reasons off (content safety alone)."""
    bounds: ClassVar[tuple[Bound, ...]]
    """Its numeric thresholds, in the order in which they are told."""
    Options: ClassVar[type[Any]]
    """A frozen dataclass whose fields are made by :func:`option`: its section of the policy."""

    def prescreen(self, claims: Claims, policy: Policy) -> Rejection | None:
        """Judge what the source says, before any byte is fetched.

        A filter with several objections names the first that ``policy.first`` lets stand.
        """
        ...

    def measure(self, picture: Picture) -> Measures:
        """Look at the decoded picture. Thread-safe, bounded, deterministic.

        The names ``version`` and ``failed`` are taken; numbers are finite.
        """
        ...

    def judge(self, claims: Claims, measures: Measures, policy: Policy) -> Rejection | None:
        """Judge what this filter measured of the picture: a pure function.

        Asked in place of ``prescreen`` once the picture is measured, so that what was decoded
        outweighs what was claimed. ``measures`` is never empty.
        """
        ...


@dataclass(frozen=True)
class NoOptions:
    """For filters that nobody tunes."""


class BaseFilter:
    """A filter that says what its bounds say; subclasses override the moments they care about."""

    name: ClassVar[str] = ""
    version: ClassVar[int] = 1
    order: ClassVar[int] = 50
    reasons: ClassVar[Mapping[str, str]] = {}
    forced: ClassVar[bool] = False
    bounds: ClassVar[tuple[Bound, ...]] = ()
    Options: ClassVar[type[Any]] = NoOptions

    def prescreen(self, claims: Claims, policy: Policy) -> Rejection | None:
        claimed = tuple(bound for bound in self.bounds if bound.claimed)
        return self._beyond(claimed, claimed_size(claims), policy) if claimed else None

    def measure(self, picture: Picture) -> Measures:
        return {}

    def judge(self, claims: Claims, measures: Measures, policy: Policy) -> Rejection | None:
        return self._beyond(self.bounds, measures, policy)

    def _beyond(
        self, bounds: Sequence[Bound], values: Measures, policy: Policy
    ) -> Rejection | None:
        asked = ((b, b.limit(policy, self.name)) for b in bounds)
        found = (b.objection(values.get(b.measure), most) for b, most in asked if most is not None)
        return next((objection for objection in found if objection is not None), None)


def says_only_bounds(filter: Filter) -> bool:
    """Whether a filter has no judgement but its bounds, so that its measures decide alone."""
    kind = type(filter)
    return (
        isinstance(filter, BaseFilter)
        and kind.judge is BaseFilter.judge
        and kind.prescreen is BaseFilter.prescreen
    )


def measures_pixels(filter: Filter) -> bool:
    """Whether a filter looks at pictures at all."""
    return type(filter).measure is not BaseFilter.measure


def claimed_size(claims: Claims) -> dict[str, int | None]:
    """``side`` (the shorter) and ``pixels`` as a source claims them; None where it does not.

    One known side may already be too short; zero is how some sites say that they do not know.
    """
    width, height = claims.width, claims.height
    sides = [side for side in (width, height) if side]
    return {
        "side": min(sides) if sides else None,
        "pixels": width * height if width and height else None,
    }
