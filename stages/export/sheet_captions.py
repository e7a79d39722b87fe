"""The lines under a picture of a contact sheet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from storage.records import AcceptedImage


def caption(image: AcceptedImage, field: str) -> str:
    """One of :data:`FIELDS`, for a person; empty where it is not known."""
    return FIELDS[field](image)


def _work(image: AcceptedImage) -> str:
    return f"{image.site}:{image.site_id}"


def _size(image: AcceptedImage) -> str:
    return f"{image.width}x{image.height}" if image.width and image.height else "size unknown"


def _reason(image: AcceptedImage) -> str:
    """Why it is left out, what was measured and what was asked."""
    if image.reason is None:
        return "" if image.state == "accepted" else image.state
    if image.measured is None:
        return image.reason
    limit = "" if image.threshold is None else f" / {_short(image.threshold)}"
    return f"{image.reason}: {_short(image.measured)}{limit}"


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


FIELDS: Mapping[str, Callable[[AcceptedImage], str]] = MappingProxyType(
    {
        "id": _work,
        "size": _size,
        "reason": _reason,
        "score": lambda image: "" if image.score is None else f"score {image.score:g}",
        "artist": lambda image: ", ".join(image.tags.get("artist", ())),
        "rating": lambda image: image.rating or "",
        "licence": lambda image: image.licence or "",
    }
)
"""Name -> the line it writes."""
