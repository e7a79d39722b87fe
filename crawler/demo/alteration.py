"""What a fault makes of an answer, before any of it is sent."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from crawler.demo.answers import Answer, of_error, of_html, of_json
from crawler.demo.api import Asked
from crawler.demo.faults import (
    Action,
    Body,
    Bomb,
    Corrupt,
    EmptyPage,
    FalseRange,
    Headers,
    Hops,
    Html,
    IgnoreRange,
    Padded,
    Redirect,
    Spoil,
    Status,
    Version,
)
from crawler.demo.images import in_range


def altered(
    action: Action | None, asked: Asked, right: Callable[[Asked], Answer], *, api: bool
) -> Answer:
    """The answer to a request under a fault. ``right`` gives the right one, ``api`` says whose.

    Faults that only disturb how an answer is sent leave it as it is.
    """
    match action:
        case Status():
            return _status(action, api=api)
        case Html():
            return of_html(200, "We will be right back")
        case EmptyPage():
            return of_json([])
        case Redirect(location, code):
            return Answer(code, b"", "text/html", {"Location": location})
        case Hops(count):
            hop = int(asked.query.get("hop", "0"))
            if count is None or hop < count:
                query = dict(asked.query) | ({} if count is None else {"hop": str(hop + 1)})
                target = f"{asked.path}?{urlencode(query)}" if query else asked.path
                return Answer(302, b"", "text/html", {"Location": target})
        case Body(data):
            return replace(right(asked), body=data)
        case Corrupt(count, seed):
            answer = right(asked)
            return replace(answer, body=_damaged(answer.body, count, seed))
        case Headers(headers):
            return _with_headers(right(asked), headers)
        case Bomb(encoding):
            packed = replace(right(asked), body=action.data)
            return _with_headers(packed, {"Content-Encoding": encoding})
        case IgnoreRange():
            plain = {name: v for name, v in asked.headers.items() if name != "range"}
            return right(replace(asked, headers=plain))
        case Version():
            return _version(action, asked, right(asked))
        case FalseRange():
            return _false_range(action, right(asked))
        case Spoil():
            return _spoiled(action, right(asked))
        case Padded(size):
            answer = right(asked)
            return replace(answer, body=answer.body.ljust(size))
    return right(asked)


def staying_away(answer: Answer, seconds: float, *, dated: bool = False) -> Answer:
    """The answer with a Retry-After of whole seconds, or of the date that it is then."""
    written = str(int(seconds)) if seconds == int(seconds) else str(seconds)
    headers = {**answer.headers, "Retry-After": written}
    if dated:
        now = datetime.now(UTC)
        # Both from one clock reading: between two, the second may change.
        headers["Date"] = format_datetime(now, usegmt=True)
        headers["Retry-After"] = format_datetime(now + timedelta(seconds=seconds), usegmt=True)
    return replace(answer, headers=headers, retry_after=seconds)


def _status(action: Status, *, api: bool) -> Answer:
    answer = of_error(action.code)
    if action.html or not api:
        answer = of_html(action.code, f"{action.code} Error")
    if action.retry_after is None:
        return answer
    if isinstance(action.retry_after, str):
        return _with_headers(answer, {"Retry-After": action.retry_after})
    return staying_away(answer, action.retry_after, dated=action.dated)


def _damaged(body: bytes, count: int, seed: int) -> bytes:
    damaged = bytearray(body)
    rng = random.Random(seed)
    for place in rng.sample(range(len(body)), min(count, len(body))):
        damaged[place] ^= rng.randint(1, 255)
    return bytes(damaged)


def _with_headers(answer: Answer, headers: Mapping[str, str | None]) -> Answer:
    kind = headers.get("Content-Type", answer.content_type)
    left = {name: value for name, value in answer.headers.items() if name not in headers}
    more = {n: v for n, v in headers.items() if v is not None and n != "Content-Type"}
    return replace(answer, content_type=kind or "", headers=left | more)


def _version(action: Version, asked: Asked, first: Answer) -> Answer:
    etag = first.headers.get("ETag", "")
    modified = first.headers.get("Last-Modified", "")
    if not action.same_etag:
        etag = f'"{hashlib.md5(action.data, usedforsecurity=False).hexdigest()}"'
        later = parsedate_to_datetime(modified) + timedelta(days=1)
        modified = format_datetime(later, usegmt=True)
    return in_range(asked, action.data, first.content_type, etag, modified)


def _false_range(action: FalseRange, answer: Answer) -> Answer:
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.headers.get("Content-Range", ""))
    if answer.status != 206 or found is None:
        return answer
    start, end, total = map(int, found.groups())
    body = answer.body[action.shift :]
    if not action.admits:
        body = body.ljust(len(answer.body), b"\0")
    else:
        start += action.shift
    headers = {**answer.headers, "Content-Range": f"bytes {start}-{end}/{total + action.total}"}
    if action.etag is not None:
        headers["ETag"] = action.etag
    return replace(answer, body=body, headers=headers)


def _spoiled(action: Spoil, answer: Answer) -> Answer:
    value = json.loads(answer.body)
    many = isinstance(value, list)
    written = [_row(action, row) for row in (value if many else [value])]
    text = f"[{','.join(written)}]" if many else written[0]
    return replace(answer, body=text.encode("utf-8", "surrogatepass"))


def _row(action: Spoil, row: Any) -> str:
    fields = action.posts.get(row["id"]) if isinstance(row, dict) and "id" in row else None
    if fields is None:
        return json.dumps(row)
    kept = row if action.twice else {k: v for k, v in row.items() if k not in fields}
    pairs = [(key, json.dumps(value)) for key, value in kept.items()]
    return (
        "{" + ",".join(f"{json.dumps(key)}:{raw}" for key, raw in (*pairs, *fields.items())) + "}"
    )
