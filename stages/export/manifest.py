"""``manifest.jsonl``: where each picture is from, under which terms, and what it became."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from stages.export.layout import Made
from storage.public_url import public_url

NAME = "manifest.jsonl"


def manifest(made: Sequence[Made]) -> str:
    """One JSON object a line, in the order of the names.

    ``sha256`` and ``original_*`` (pixels as stored) are of the file as it was served,
    ``exported_sha256``, ``bytes``, ``width`` and ``height`` of the exported file; ``changed`` lists
    what was done between the two, empty where they are the same bytes. What the source does not say
    is null.
    """
    return "".join(json_line(_record(m)) for m in made)


def json_line(values: Mapping[str, Any]) -> str:
    """One line of JSON Lines, readable in any script."""
    line = json.dumps(values, ensure_ascii=False)
    # Line ends of Unicode's own, at which some readers split.
    for end in "\x85\u2028\u2029":
        line = line.replace(end, f"\\u{ord(end):04x}")
    return line + "\n"


def _record(made: Made) -> dict[str, Any]:
    image = made.item.image
    return {
        "file": made.file,
        "caption": made.item.caption,
        "sha256": image.sha256,
        "exported_sha256": made.sha256,
        "bytes": made.bytes,
        "width": made.width,
        "height": made.height,
        "original_width": made.original[0],
        "original_height": made.original[1],
        "changed": list(made.changed),
        "site": image.site,
        "site_id": image.site_id,
        "page_url": image.page_url and public_url(image.page_url),
        "source_url": image.source_url and public_url(image.source_url),
        "file_url": image.file_url and public_url(image.file_url),
        "artist": list(image.tags.get("artist", ())),
        "characters": list(image.tags.get("character", ())),
        "copyrights": list(image.tags.get("copyright", ())),
        "rating": image.rating,
        "licence": image.licence,
        "posted_at": image.posted_at,
        "phash256": image.measures.get("signatures", {}).get("phash256"),
    }
