"""What a run ends with, for a person: the table of reasons and the totals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from crawler.cli.output import size, table
from storage.records import Row
from storage.words import AGAIN, BY_PERSON

if TYPE_CHECKING:
    from crawler.workspace import DryRun, Summary

STATES: Mapping[str, str] = MappingProxyType(
    {
        "accepted": "in the set",
        "duplicate": "the same picture is in the set already",
        "rejected": "not what the policy asks for",
        "unavailable": "the source gives no file for it",
        "failed": "could not be fetched or decoded, and will not be tried again",
        "waiting": "to be tried again later",
        "pending": "not looked at yet",
    }
)
"""State -> what it means, in the order of the table."""


OUTCOMES: Mapping[str, str] = MappingProxyType(
    {
        "animation_too_large": "its frames together are more pixels than are decoded here",
        "bad_encoding": "the reply cannot be unpacked",
        "bad_entry": "the source's entry cannot be recorded",
        "bad_post": "the source's entry makes no sense",
        "bad_sidecar": "what lies beside it cannot be read, so it cannot be screened",
        "bad_url": "the source names no usable address",
        "bad_zip": "a zip of frames that is not as it should be",
        "blocked_address": "a private address, which only net.allow_hosts opens",
        "connect_failed": "the host could not be reached; the next run tries again",
        "crashed": "an error of ours; please report it",
        "decode_error": "its decoder gives up on it",
        "decode_timeout": "it took too long to decode",
        "decoder_crash": "it crashed its decoder, twice",
        "decompression_bomb": "far more pixels than its bytes can hold",
        "deleted": "deleted at the source",
        "filter_failed": "a filter broke on it (`trawl show` names it); the next run tries again",
        "format_not_allowed": "no format that is opened here",
        "gone": "no longer there",
        "hidden": "the source shows its file to nobody like us",
        "host_down": "its host is down; the next run tries again",
        "http_404": "no longer there",
        "http_410": "no longer there",
        "http_429": "its host asks for more time than we give it; the next run tries again",
        "http_5xx": "its host has an error of its own; the next run tries again",
        "icc_too_large": "an unreasonably large colour profile",
        "md5_mismatch": "other bytes than the source says, again and again",
        "memory_limit": "decoding it takes more memory than a picture may take",
        "metadata_too_large": "an unreasonable amount of metadata",
        "no_file": "the source gives no file",
        "noai": "its host does not want it in training sets",
        "noindex": "its host does not want it collected",
        "not_an_image": "the bytes are no picture",
        "not_read_again": "the source does not tell what became of it",
        "out_of_descriptors": "too many files were open on this machine; the next run tries again",
        "out_of_memory": "too large for this machine",
        "proxy_failed": "the proxy opened no way to the host",
        "size_mismatch": "more or fewer bytes than were said, again and again",
        "timeout": "its host did not answer in time, again and again",
        "too_big": "more bytes than net.max_file_bytes",
        "too_many_bytes": "more bytes than are decoded here",
        "too_many_frames": "more frames than are decoded here",
        "too_many_parts": "an unreasonable number of parts",
        "too_many_pixels": "more pixels than resolution.max_pixels",
        "too_many_redirects": "its host sends us round and round",
        "too_many_scans": "so many passes that decoding it would take for ever",
        "too_much_text": "an unreasonable amount of text beside the picture",
        "truncated": "the file ends too early",
        "unreadable": "this file may not be read",
    }
)
"""What reasons of failed and unavailable works mean; those of rejected ones are the filters'."""


def reasons_table(
    rows: Sequence[Row], explanations: Mapping[str, str] | None = None, *, finished: bool = False
) -> str:
    """State, reason, count, share of all, an example, and what the reason means.

    Without ``explanations`` (they cost loading every filter) the last column is left out.
    What is still pending of a ``finished`` crawl was not needed.
    """
    total = sum(row.count for row in rows)
    order = list(STATES)
    lines: list[list[Any]] = []
    for row in sorted(rows, key=lambda r: (order.index(r.state), -r.count, r.reason or "")):
        line = [row.state, row.reason, row.count, f"{row.count / total:.1%}", row.example]
        if explanations is not None:
            line.append(_meaning(row, explanations, finished))
        lines.append(line)
    headings = ["state", "reason", "count", "share", "example"]
    if explanations is not None:
        headings.append("meaning")
    return table(headings, lines, right="count share")


def _meaning(row: Row, explanations: Mapping[str, str], finished: bool) -> str:
    if row.state == "pending" and row.reason == AGAIN:
        return "to be tried again by the next run, as `trawl retry` asked"
    if finished and row.state == "pending":
        return "listed, not needed for the target"
    # A filter and a failed download may use the same word, and mean different things.
    reason = row.reason or ""
    if reason == BY_PERSON:
        return "a person said so (`trawl undo --list`)"
    told = explanations.get(reason) if row.state == "rejected" else outcome(reason)
    return told or STATES[row.state]


def outcome(reason: str) -> str | None:
    """What the reason of a failed or unavailable work means."""
    if reason.startswith("http_") and reason not in OUTCOMES:
        return f"its host answers with status {reason.removeprefix('http_')}"
    return OUTCOMES.get(reason)


def totals(summary: Summary) -> str:
    """One line: how far the crawl came and what it cost."""
    from crawler.cli.progress import duration

    stats = summary.stats
    pending = sum(row.count for row in summary.rows if row.state == "pending")
    finished, want, accepted = summary.state == "finished", summary.want, summary.accepted
    so_far = f"{accepted} of {want} accepted" if want else f"{accepted} accepted"
    if want and accepted > want:
        so_far = f"{want} wanted: the first {want} of {accepted} accepted are the set"
        if any(row.state == "accepted" and row.reason == BY_PERSON for row in summary.rows):
            so_far += ", and those accepted by hand"
    elif want and finished and accepted < want:
        so_far += " (the source has no more)"
    if finished and pending:
        so_far += f"; {pending} more were listed and not needed"
    return (
        f"{so_far}; {stats.seen} seen, {stats.file_requests} file requests "
        f"({size(stats.bytes_fetched)}) and {stats.api_requests} API requests in "
        f"{duration(stats.elapsed)}; crawl {summary.crawl_id} is {summary.state}"
    )


def dry_run_text(dry: DryRun) -> str:
    """What a crawl would fetch, for a person."""
    known = "an unknown number of" if dry.count is None else str(dry.count)
    unsized = f" and {dry.unsized} of unknown size" if dry.unsized else ""
    lines = [
        f"the source has {known} works for this query; {dry.listed} were looked at",
        f"would fetch {dry.fetch} files, {size(dry.bytes)} as the source claims{unsized}",
    ]
    if not dry.complete:
        lines.append("the listing was not walked to its end: there may be more")
    if dry.rejected:
        rows = sorted(dry.rejected.items(), key=lambda item: (-item[1], item[0]))
        lines += ["", table(["rejected unseen for", "count"], rows, right="count")]
    return "\n".join(lines)
