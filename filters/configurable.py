"""Filters whose measures depend on their options: most measure the same whatever is asked."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from filters.base import Filter, Measures


@runtime_checkable
class Configurable(Protocol):
    """What such a filter has beside :class:`filters.base.Filter`."""

    def kept(self, options: Any) -> Any:
        """The options as a policy keeps them, with the identity of what they name.

        Options that were kept come back as they are, and nothing they name is looked at: an old
        policy can be read where its files are gone. Raises PolicyError.
        """
        ...

    def configured(self, options: Any) -> Filter:
        """A filter that measures by these (kept) options. Raises PolicyError."""
        ...

    def is_measured(self, measures: Measures, options: Any) -> bool:
        """Whether what was measured of a picture, perhaps nothing, is all that these options ask.

        Asked of pictures that other crawls have measured.
        """
        ...

    def together(self, before: Measures, now: Measures) -> Measures:
        """What was measured of one picture by other options and by these."""
        ...
