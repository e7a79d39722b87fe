"""What a run tells: objects with fixed fields."""

from __future__ import annotations

import json
from pathlib import Path

from crawler.errors import LimitReached
from crawler.reports import progress_report, summary_report, work_report
from crawler.run import Summary
from crawler.stats import Stats
from storage.records import AcceptedImage, Candidate, Row, Ruling, Rung

WORK = Candidate("site", "o", "1", (Rung("https://cdn.test/1", width=10, height=20),))
IMAGE = AcceptedImage(
    *(1, "site", "1", "ab" * 32, Path("/ws/files/x.png"), "png", 30, 40, 50, "accepted"),
    measures={"quality": {"score": 0.9}},
)


def test_an_accepted_work_is_told_with_its_decoded_size() -> None:
    report = work_report(WORK, Ruling("accepted"), IMAGE)
    assert report == {
        "v": 1,
        "type": "accepted",
        "site": "site",
        "site_id": "1",
        "url": "https://cdn.test/1",
        "path": "/ws/files/x.png",
        "sha256": "ab" * 32,
        "width": 30,
        "height": 40,
        "reason": None,
        "measured": {"quality": {"score": 0.9}},
        "value": None,
        "threshold": None,
    }


def test_a_work_rejected_by_its_claims_is_told_with_them() -> None:
    ruling = Ruling("rejected", "too_small", 10, 768, "resolution")
    report = work_report(WORK, ruling)
    assert (report["width"], report["height"], report["path"]) == (10, 20, None)
    assert (report["reason"], report["value"], report["threshold"]) == ("too_small", 10, 768)
    assert report["measured"] == {"resolution": 10}


def test_of_blocked_content_nothing_is_told_but_its_id() -> None:
    marked = Candidate(
        "site", "o", "66", (Rung("https://cdn.test/secret", width=1, height=2),),
        page_url="https://site.test/secret", tags={"general": ("secret",)},
    )  # fmt: skip
    report = work_report(marked, Ruling("rejected", "blocked_content", filter="content"))
    assert "secret" not in json.dumps(report)
    assert report["site_id"] == "66"
    assert (report["url"], report["width"], report["height"]) == (None, None, None)


def test_progress_and_summary_are_json() -> None:
    stats = Stats(want=5, accepted=2, seen=9)
    stats.bytes_fetched = 100
    progress = progress_report("c", stats)
    assert progress["type"] == "progress"
    assert (progress["accepted"], progress["want"], progress["bytes"]) == (2, 5, 100)
    error = LimitReached("--max-bytes 100 is used up")
    rows = (Row("accepted", None, 2, "site:1"), Row("rejected", "comic", 1, "site:2"))
    summary = summary_report(Summary("c", "stopped", 2, 5, rows, stats, ("careful",), error))
    assert json.loads(json.dumps(summary)) == summary
    assert (summary["type"], summary["state"], summary["error"]) == (
        "summary",
        "stopped",
        "E_LIMIT",
    )
    assert summary["rows"][1] == {
        "state": "rejected",
        "reason": "comic",
        "count": 1,
        "example": "site:2",
    }
    assert summary["warnings"] == ["careful"]
