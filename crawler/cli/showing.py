"""What ``trawl show`` prints for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from crawler.cli.output import printable, size, table
from crawler.cli.report import outcome

_FACTS = ("page_url", "source_url", "posted_at", "rating", "licence", "caption", "parent")
_ALSO = ("pixel_hash", "md5", "animated", "unavailable", "first_seen_at", "read_at", "origin")


def described(about: Mapping[str, Any]) -> str:
    """All of it, what people ask first on top."""
    return "\n".join(_lines(about))


def _lines(about: Mapping[str, Any]) -> Iterator[str]:
    yield printable(f"{about['site']}:{about['site_id']}")
    yield from _pairs({key: about[key] for key in (*_FACTS, *_ALSO)})
    yield from _section("in crawls", _crawls(about))
    yield from _section("files at the source, the largest first", _files(about))
    if picture := about["picture"]:
        yield from _section("picture", "\n".join(_pairs(_picture(picture), "")))
    yield from _section("measured, and asked", measures(about["thresholds"]))
    yield from _section("tags", "\n".join(_pairs(about["tags"] or {}, "")))
    yield from _section("seen at", _places(about))
    yield from _section("made from", _derived(about["made_from"], "parent"))
    yield from _section("made of it", _derived(about["made_of_it"], "path"))
    yield from _section("exported as", "\n".join(map(printable, about["exported"])))
    yield from _section("people said", _decisions(about))
    yield from _section("the site says", "\n".join(_pairs(about["metadata"] or {}, "")))
    yield from _section("events", _events(about))


def _section(title: str, text: str) -> Iterator[str]:
    if text:
        yield f"\n{title}:"
        yield from (f"  {line}" for line in text.split("\n"))


def _pairs(values: Mapping[str, Any], indent: str = "  ") -> Iterator[str]:
    for key, value in values.items():
        if value in (None, "", [], {}):
            continue
        text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
        yield f"{indent}{printable(f'{key}: {text}')}"


def _table(rows: list[dict[str, Any]]) -> str:
    """A table without the columns that nobody fills."""
    headings = [key for key in (rows[0] if rows else {}) if any(_filled(r[key]) for r in rows)]
    cells = [[_told(row[key]) for key in headings] for row in rows]
    return table(headings, cells) if rows else ""


def _filled(value: Any) -> bool:
    return value not in (None, "", [], {})


def _told(value: Any) -> Any:
    return f"{value:,}" if isinstance(value, int) and abs(value) >= 10_000 else value


def _crawls(about: Mapping[str, Any]) -> str:
    return _table(
        [
            {
                "crawl": work["crawl_id"],
                "query": work["query"],
                "position": work["position"],
                "state": work["state"],
                "reason": work["reason"],
                "measured": work["measured"],
                "asked": work["threshold"],
                "by": work["filter"],
                "duplicate of": work["duplicate_of"],
                "meaning": outcome(work["reason"]) if _lost(work) else None,
            }
            for work in about["works"]
        ]
    )


def _lost(work: Mapping[str, Any]) -> bool:
    # Reasons of rejected works are the filters' own words.
    return work["state"] in ("failed", "unavailable")


def _files(about: Mapping[str, Any]) -> str:
    return _table(
        [
            {
                "": rung["position"],
                "claimed": _size(rung),
                "bytes": size(rung["bytes"]) if rung["bytes"] else None,
                "format": rung["format"],
                "came of it": ", ".join(map(_attempt, rung["attempts"])) or "not asked for",
                "at": rung["location"],
            }
            for rung in about["ladder"]
        ]
    )


def _attempt(attempt: Mapping[str, Any]) -> str:
    return (
        f"{attempt['outcome']} ({attempt['reason']})" if attempt["reason"] else attempt["outcome"]
    )


def _size(of: Mapping[str, Any]) -> str | None:
    return f"{of['width']}x{of['height']}" if of["width"] and of["height"] else None


def _picture(picture: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "sha256": picture["sha256"],
        "is": f"{picture['format']} {_size(picture)}, {size(picture['bytes'])}",
        "file": picture["path"] or "not kept: its bytes are fetched again where they are wanted",
    }


def measures(thresholds: Sequence[Mapping[str, Any]]) -> str:
    """A table of what was measured beside what is asked, as ``crawler.measured`` tells it."""
    rows: dict[tuple[Any, ...], list[str]] = {}
    for one in thresholds:
        value = f"{one['value']} (claimed)" if one["claimed"] else _text(one["value"])
        row = (f"{one['filter']}.{one['measure']}", value, _asked(one), _verdict(one))
        rows.setdefault(row, []).append(one.get("crawl_id") or "")
    all_of_them = {one.get("crawl_id") for one in thresholds} - {None}
    return _table(
        [
            {
                "measure": measure,
                "value": value,
                "asked": asked,
                # Which crawl asks is told where they do not all ask the same.
                "by": ", ".join(crawls) if asked and len(crawls) < len(all_of_them) else None,
                "": verdict,
            }
            for (measure, value, asked, verdict), crawls in rows.items()
        ]
    )


def _text(value: Any) -> Any:
    return "cannot tell" if value is None else value


def _asked(one: Mapping[str, Any]) -> str | None:
    for word in ("least", "most"):
        if one.get(word) is not None:
            return f"at {word} {_told(one[word])} ({one['option']})"
    return None


def _verdict(one: Mapping[str, Any]) -> str | None:
    if one.get("passes") is None:
        return None
    if one["passes"]:
        return "passes"
    return f"{one['reason']}, allowed" if one["allowed"] else one["reason"]


def _places(about: Mapping[str, Any]) -> str:
    return _table(
        [
            {
                "work": place["work"],
                "claimed": _size(place),
                "posted": place["posted_at"],
                "crawls": ", ".join(
                    f"{c['crawl_id']} {c['state']}" + (f" ({c['reason']})" if c["reason"] else "")
                    for c in place["crawls"]
                ),
                "page": place["page_url"],
            }
            for place in about["places"]
        ]
    )


def _derived(pictures: list[dict[str, Any]], shown: str) -> str:
    return _table(
        [
            {
                "stage": f"{one['stage']} {one['version']}",
                "parameters": ", ".join(f"{k}={v}" for k, v in (one["parameters"] or {}).items()),
                "number": one["number"],
                "size": _size(one),
                "made": one["created_at"],
                shown: one[shown],
            }
            for one in pictures
        ]
    )


def _decisions(about: Mapping[str, Any]) -> str:
    return "\n".join(
        f"{one['decision']} of {one['about']}, {one['at']} (action {one['action_id']})"
        for one in about["decisions"]
    )


def _events(about: Mapping[str, Any]) -> str:
    return _table(
        [
            {
                "seq": event["seq"],
                "event": event["kind"],
                "crawl": event["crawl_id"],
                "at": event["at"],
                "reason": (event["payload"] or {}).get("reason"),
            }
            for event in about["events"]
        ]
    )
