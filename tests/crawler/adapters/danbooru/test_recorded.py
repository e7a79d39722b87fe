"""Answers in the shape of recorded ones, each file with what it must lead to; run offline.

A file declares a command (``words``, ``options``, ``predicate``, ``cursor``), the ``exchanges`` in
their order (exactly these requests, no others; ``params`` may name fewer than are sent), and what
is ``expected``: the ``query``, the ``partitions``, the ``candidates`` (fields may be left out),
the ``cursor``, or an ``error``.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from crawler import errors
from crawler.adapters.base import Http, Predicate
from crawler.adapters.danbooru import Danbooru
from crawler.adapters.danbooru.adapter import DanbooruOptions
from storage.records import Candidate
from tests.crawler.adapters.loopback import Answer, face, loopback, site_at

FILES = sorted(Path(__file__).parent.glob("*.json"))


class Recording:
    """Answers the declared requests in their order and refuses all others."""

    def __init__(self, exchanges: list[dict[str, Any]]) -> None:
        self.left = list(exchanges)

    def respond(self, path: str, params: dict[str, str]) -> Answer:
        expected: dict[str, Any] = self.left.pop(0) if self.left else {"path": "nothing more"}
        got = {"path": path, "params": {k: params.get(k) for k in expected.get("params", {})}}
        if got != {"path": expected["path"], "params": expected.get("params", {})}:
            return 418, {"expected": expected, "got": [path, params]}
        return expected.get("status", 200), expected["answer"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.stem))
async def test_recorded(file: Path) -> None:
    case = json.loads(file.read_text("utf-8"))
    recording = Recording(case["exchanges"])
    async with loopback(recording.respond) as site, face(site_at(site.base_url)) as http:
        options: dict[str, Any] = {
            key: tuple(v) if isinstance(v, list) else v for key, v in case["options"].items()
        }
        adapter = Danbooru(site_at(site.base_url), DanbooruOptions(**options))
        expected = json.loads(json.dumps(case["expected"]).replace("$SITE", site.base_url))
        if "error" in expected:
            kind = getattr(errors, expected["error"]["type"])
            with pytest.raises(kind) as told:
                await run(adapter, case, {}, http)
            for words in expected["error"]["says"]:
                assert words in told.value.message
        else:
            await run(adapter, case, expected, http)
    assert recording.left == []


async def run(
    adapter: Danbooru, case: dict[str, Any], expected: dict[str, Any], http: Http
) -> None:
    query = await adapter.resolve(adapter.canonical(case["words"]), http)
    partitions = adapter.partitions(query, Predicate(**case["predicate"]))
    found: list[Candidate] = []
    dropped: dict[str, int] = {}
    cursor = case.get("cursor")
    for partition in partitions if case.get("walk", True) else ():
        async for page in adapter.discover(partition, cursor, http):
            found += page.candidates
            dropped |= page.dropped
            cursor = page.cursor
    if "query" in expected:
        assert query == expected["query"]
    if "partitions" in expected:
        assert {p.name: p.listing["tags"] for p in partitions} == expected["partitions"]
    if "candidates" in expected:
        assert len(found) == len(expected["candidates"])
        for candidate, fields in zip(found, expected["candidates"], strict=True):
            shown = json.loads(json.dumps(plain(candidate)))
            assert {key: shown[key] for key in fields} == fields
    assert dropped == expected.get("dropped", dropped)
    assert cursor == expected.get("cursor", cursor)


def plain(candidate: Candidate) -> dict[str, Any]:
    shown = {name: getattr(candidate, name) for name in Candidate.__dataclass_fields__}
    rungs = [
        {name: getattr(rung, name) for name in rung.__dataclass_fields__}
        for rung in candidate.ladder
    ]
    return shown | {"ladder": rungs, "width": candidate.width, "format": candidate.format}


def test_there_are_recordings() -> None:
    assert len(FILES) >= 5
