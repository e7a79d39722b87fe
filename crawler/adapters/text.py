"""Text from strangers, made fit to be stored and shown."""

from __future__ import annotations

from typing import Any


def storable(value: Any) -> str:
    """A string that is valid Unicode; empty for what is no string.

    JSON can spell half a surrogate pair, which no database or terminal takes.
    """
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else ""


def one_line(value: Any, limit: int) -> str:
    """At most ``limit`` characters without control characters, fit for a terminal."""
    return "".join(c if c.isprintable() else " " for c in storable(value)[:limit])
