"""The work behind ``trawl doctor``."""

from __future__ import annotations

import platform
import shutil
import sqlite3
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path

from PIL import features

from crawler import plugins
from crawler.adapters.base import Check, Examinable
from crawler.cli.output import size
from crawler.cli.request import require_contact
from crawler.credentials import credentials_file
from crawler.credentials import read as read_credentials
from crawler.errors import ConfigError, TrawlError, UsageError
from crawler.http.session import Session
from crawler.settings import Settings, load
from crawler.stats import Stats

_OURS = ("crawler", "filters", "storage", "stages")
_LIBRARIES = (
    *("aiohttp", "click", "httpx", "imagehash", "numpy", "pillow", "platformdirs", "rich"),
    *("onnxruntime", "sqlite-utils", "tenacity", "tomlkit"),
)
_SOUND_SQLITE = (3, 51, 3)
"""Earlier ones may corrupt a write-ahead log when two connections write and checkpoint at once."""


def local_checks(workspace: Path, *, trust_workspace: bool = False) -> list[Check]:
    """Everything that can be seen without the network."""
    return [
        Check("python", sys.version_info >= (3, 11), platform.python_version()),
        _sqlite(),
        *(_library(name) for name in _LIBRARIES),
        _decoder("libjpeg_turbo", "JPEG, fast"),
        _decoder("webp", "WebP"),
        _decoder("avif", "AVIF"),
        *(_shadowing(name) for name in _OURS),
        _plugins(),
        _settings(workspace, trust_workspace),
        _logins(),
        _disk(workspace, trust_workspace),
    ]


async def examine_site(
    settings: Settings, name: str, tell: Callable[[str, bool, str], None]
) -> list[Check]:
    """Run the adapter's own checks against its site, telling each as it ends.

    Raises UsageError for a source that has none, and what stops the source altogether.
    """
    adapter_class = plugins.load(plugins.ADAPTERS, settings.adapter(name))
    site = settings.site(name, adapter_class.default_site)
    require_contact(settings, site)
    adapter = adapter_class(site, adapter_class.Options())
    if not isinstance(adapter, Examinable):
        raise UsageError(f"{name} has nothing to check online")
    checks = []
    async with Session(settings.net, Stats()) as session:
        async for check in adapter.doctor(session.site(site)):
            tell(f"{name}: {check.name}", check.ok, check.detail)
            checks.append(Check(f"{name}: {check.name}", check.ok, check.detail))
    return checks


def _sqlite() -> Check:
    # A warning, not a failure: we write through one connection alone, which the bug needs two of.
    old = sqlite3.sqlite_version_info < _SOUND_SQLITE
    note = " (3.51.3 or newer recommended)" if old else ""
    return Check("sqlite", True, sqlite3.sqlite_version + note)


def _library(name: str) -> Check:
    try:
        return Check(name, True, version(name))
    except PackageNotFoundError:
        return Check(name, False, "not installed: pip install --force-reinstall imagetrawl")


def _decoder(feature: str, what: str) -> Check:
    found = features.check(feature)
    return Check(
        feature.replace("_", "-"),
        bool(found),
        f"{what}: {features.version(feature) or 'there'}" if found else f"Pillow lacks {what}",
    )


def _shadowing(name: str) -> Check:
    """Our import names are common words: another package of that name may hide ours."""
    home = Path(__file__).parents[2]
    spec = find_spec(name)
    found = Path(spec.origin).parent if spec is not None and spec.origin else None
    owners = set(packages_distributions().get(name, ())) - {"imagetrawl"}
    if found != home / name:
        return Check(f"package {name}", False, f"{found} hides ours; install trawl with pipx")
    if owners:
        detail = f"{', '.join(sorted(owners))} brings one, too; install trawl with pipx"
        return Check(f"package {name}", False, detail)
    return Check(f"package {name}", True, str(found))


def _plugins() -> Check:
    groups = (plugins.ADAPTERS, plugins.FILTERS, plugins.STAGES, plugins.EXPORTS)
    try:
        loaded = [plugins.load(group, name) for group in groups for name in plugins.names(group)]
    except TrawlError as problem:
        return Check("plug-ins", False, f"{problem.message}; {problem.hint}")
    return Check("plug-ins", True, f"all {len(loaded)} can be loaded")


def _settings(workspace: Path, trust: bool) -> Check:
    try:
        settings = load(workspace, trust_workspace=trust)
    except ConfigError as problem:
        return Check("settings", False, f"{problem.message}; {problem.hint}")
    contact = settings.net.contact
    return Check("settings", True, f"contact: {contact}" if contact else "no net.contact is set")


def _logins() -> Check:
    try:
        sites = ", ".join(sorted(read_credentials())) or "none"
    except ConfigError as problem:
        return Check("logins", False, f"{problem.message}; {problem.hint}")
    return Check("logins", True, f"{sites} (in {credentials_file()} or the environment)")


def _disk(workspace: Path, trust: bool) -> Check:
    there = next(folder for folder in (workspace, *workspace.parents) if folder.exists())
    usage = shutil.disk_usage(there)
    try:
        needed = load(workspace, trust_workspace=trust).limits.min_free
    except ConfigError:  # told as trouble of the settings
        needed = None
    if needed is None:
        needed = min(1 << 30, usage.total // 20)
    detail = f"{size(usage.free)} free for {workspace}, {size(needed)} are kept free"
    return Check("disk", usage.free > needed, detail)
