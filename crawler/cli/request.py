"""From a command's flags to what the workspace is asked for: checked before anything starts."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from crawler import plugins
from crawler.cli.options import find_workspace, policy_of
from crawler.errors import ConfigError, UsageError
from crawler.refusal import refuse_blocked
from crawler.settings import Settings, load
from crawler.site import Net, Site
from filters.policy import PolicyError, laid_over


@dataclass(frozen=True)
class Show:
    """How a run tells what it does."""

    as_json: bool = False
    ndjson: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class Request:
    """One crawl to run; the fields are those of ``Workspace.crawl``."""

    workspace: Path
    settings: Settings
    source: str
    words: Sequence[str]
    want: int | None
    policy: Mapping[str, Any]
    options: Mapping[str, Any]
    fresh: bool
    dry_run: bool
    max_bytes: int | None
    max_time: float | None
    strict: bool
    show: Show


def show_of(given: Mapping[str, Any]) -> Show:
    """How the run tells what it does. Raises UsageError where two ways contradict."""
    if given["as_json"] and given["ndjson"]:
        raise UsageError("--json and --ndjson exclude each other")
    return Show(given["as_json"], given["ndjson"], given["quiet"])


def request_of(
    source: str,
    words: Sequence[str],
    given: Mapping[str, Any],
    options: Mapping[str, str] | None = None,
    *,
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Request:
    """Read the settings and check every flag against the source and the filters.

    ``given`` are the flags of ``crawl_options``, ``options`` listing options as text by name and
    ``flags`` settings by dotted key. Raises UsageError, RefusedQuery and ConfigError.
    """
    refuse_blocked(words)  # before anything else is said
    workspace = find_workspace(given["workspace"])
    trust = given["trust_workspace"]
    flags = dict(flags or {})
    settings = load(workspace, flags=flags, environ=environ, trust_workspace=trust)
    adapter = plugins.load(plugins.ADAPTERS, settings.adapter(source))
    if given["rate"] is not None:
        flags[f"sites.{source}.rate"] = given["rate"]
        settings = load(workspace, flags=flags, environ=environ, trust_workspace=trust)
    site = settings.site(source, adapter.default_site)
    policy = checked(laid_over(settings.policy, policy_of(given)))
    if site.base_url:  # the words of a local source are paths
        refuse_blocked(words, plugins.judge().policy(policy)["content"].ratings)
    require_contact(settings, site)
    return Request(
        workspace=workspace,
        settings=settings,
        source=source,
        words=tuple(words),
        want=_want(given, adapter),
        policy=policy,
        options={
            name: plugins.option_value(source, adapter.Options, name, text)
            for name, text in (*(options or {}).items(), *given["assignments"])
        },
        fresh=given["fresh"],
        dry_run=given["dry_run"],
        max_bytes=given["max_bytes"],
        max_time=given["max_time"],
        strict=given["strict"],
        show=show_of(given),
    )


def _want(given: Mapping[str, Any], adapter: Any) -> int | None:
    if given["want_all"]:
        return None
    by_default: int | None = getattr(adapter, "default_want", 200)
    return by_default if given["want"] is None else int(given["want"])


def require_contact(settings: Settings, site: Site) -> None:
    """Sites ask a client to say whose it is. Raises ConfigError where nobody was named."""
    if settings.net.contact or not site.base_url or _is_private(site.base_url, settings.net):
        return
    host = urlsplit(site.base_url).hostname
    raise ConfigError(
        f"{host} is to know whom to write to about your requests, and no contact is set",
        hint="set your mail address or web page once: trawl config set net.contact you@example.org",
    )


def _is_private(url: str, net: Net) -> bool:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if f"{host}:{parts.port}" in net.allow_hosts or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def checked(policy: Mapping[str, Any]) -> Mapping[str, Any]:
    """The policy, when every installed filter understands it. Raises UsageError."""
    try:
        plugins.judge().policy(policy)
    except PolicyError as problem:
        raise UsageError(str(problem)) from problem
    return policy
