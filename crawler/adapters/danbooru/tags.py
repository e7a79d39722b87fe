"""What the tags of a search are called at the site: aliases, unknown and empty tags."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Iterable, Sequence

from crawler.adapters.base import ApiStatus, Http
from crawler.adapters.danbooru.answers import meaning, rows
from crawler.adapters.danbooru.query import Query, Term
from crawler.errors import UnknownTag
from filters.content import blocked_words
from storage.records import Json

log = logging.getLogger(__name__)
_EXPLAINED = 3
"""Unknown tags for which close names are asked: a few requests each."""
_SHOWN = 5
_FULL = {"search[hide_empty]": "yes", "only": "name", "limit": "200"}


async def resolved(query: Query, base_url: str, http: Http) -> Query:
    """The query with aliases replaced by what they stand for.

    One request for all its tags, a second one only where some have no posts. Raises UnknownTag for
    tags the site does not have, and for tags without any posts where that leaves nothing to list.
    """
    tags = {term.text: term for term in query.terms if term.tag}
    if not tags:
        return query
    try:
        return await _resolved(query, tags, base_url, http)
    except ApiStatus as error:
        raise meaning(error) from error


async def _resolved(query: Query, tags: dict[str, Term], base_url: str, http: Http) -> Query:
    found = await _tags(tags, base_url, http)
    lacking = [name for name in tags if not found.get(name, {}).get("post_count")]
    aliases = await _aliases(lacking, base_url, http)
    unknown = [name for name in lacking if name not in aliases and name not in found]
    empty = [name for name in lacking if name not in aliases and name in found]
    hopeless = [] if query.either else [name for name in empty if not tags[name].negative]
    if unknown or hopeless:
        raise UnknownTag(await _explained(unknown, hopeless, base_url, http))
    for name in empty:
        log.warning("the tag %s has no posts", name)
    for name, other in aliases.items():
        log.info("the tag %s is called %s here", name, other)
    for name, row in found.items():
        if row.get("is_deprecated") is True:
            log.warning("the tag %s is deprecated: the site no longer adds it to posts", name)
    return query.renamed(aliases)


async def _tags(names: Iterable[str], base_url: str, http: Http) -> dict[str, dict[str, Json]]:
    # A comma separates names here and is in no tag's name.
    asked = sorted(name for name in names if "," not in name)
    if not asked:
        return {}
    answer = await http.get_json(
        f"{base_url}/tags.json",
        {
            "search[name_comma]": ",".join(asked),
            "only": "name,post_count,is_deprecated",
            "limit": "1000",
        },
    )
    return {
        row["name"]: row
        for row in rows(answer, "tags.json")
        if isinstance(row, dict) and row.get("name") in asked
    }


async def _aliases(names: Sequence[str], base_url: str, http: Http) -> dict[str, str]:
    asked = sorted(name for name in names if "," not in name)
    if not asked:
        return {}
    answer = await http.get_json(
        f"{base_url}/tag_aliases.json",
        {
            "search[antecedent_name_comma]": ",".join(asked),
            "search[status]": "active",
            "only": "antecedent_name,consequent_name,status",
            "limit": "1000",
        },
    )
    return {
        row["antecedent_name"]: row["consequent_name"]
        for row in rows(answer, "tag_aliases.json")
        if isinstance(row, dict)
        and row.get("antecedent_name") in asked
        and isinstance(row.get("consequent_name"), str)
        and row.get("status") in ("active", None)
    }


async def _explained(
    unknown: Sequence[str], empty: Sequence[str], base_url: str, http: Http
) -> str:
    lines = []
    for count, name in enumerate((*unknown, *empty)):
        line = f"no such tag: {name}" if name in unknown else f"no posts have the tag {name}"
        close = await _close_names(name, base_url, http) if count < _EXPLAINED else []
        lines.append(f"{line}; did you mean {', '.join(close)}?" if close else line)
    return "\n".join(lines)


async def _close_names(name: str, base_url: str, http: Http) -> list[str]:
    """What the site completes or corrects the name to, else tags that share a part of it."""
    words = re.findall(r"[a-z0-9]{3,}", name)
    patterns = [f"*{max(words, key=len)}*", f"{words[0][:3]}*"] if words else []
    requests = [
        ("autocomplete.json", {"search[query]": name, "search[type]": "tag_query", "limit": "10"}),
        *(
            ("tags.json", {"search[name_matches]": pattern, "search[order]": "count"} | _FULL)
            for pattern in patterns
        ),
    ]
    for path, params in requests:
        answer = rows(await http.get_json(f"{base_url}/{path}", params), path)
        values = [row.get("value", row.get("name")) for row in answer if isinstance(row, dict)]
        close = [v for v in values if isinstance(v, str) and v.isprintable()]
        if path == "tags.json":
            close = difflib.get_close_matches(name, close, n=_SHOWN, cutoff=0.4)
        if close := [v for v in dict.fromkeys(close) if not blocked_words([v])]:
            return close[:_SHOWN]
    return []
