"""``trawl config``: see and change settings."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import click

from crawler.cli.options import (
    debug_option,
    find_workspace,
    json_option,
    trust_option,
    workspace_option,
)

_ONES_OWN: Mapping[str, str] = MappingProxyType(
    {"net.allow_hosts": "open private hosts", "net.proxy": "choose a proxy"}
)
"""Settings that a workspace file is not trusted with -> what it would do."""


@click.group("config", short_help="See and change settings.")
@debug_option
def command() -> None:
    """See and change settings. Flags win over TRAWL_*, a workspace's file, yours, the defaults."""


@command.command("show")
@click.option("--origin", is_flag=True, help="Also say where each value was set.")
@workspace_option
@json_option
@trust_option
@debug_option
def show(origin: bool, workspace: str | None, as_json: bool, trust_workspace: bool) -> None:
    """Print every setting in force."""
    from crawler.cli.output import as_json as to_json
    from crawler.cli.output import plain, write
    from crawler.settings import load

    settings = load(find_workspace(workspace), trust_workspace=trust_workspace)
    items = list(settings.items())
    if as_json:
        document = {key: {"value": v.value, "origin": v.origin} for key, v in items}
        write(to_json(document, indent=2))
        return
    for key, value in items:
        write(f"{key} = {_toml(plain(value.value))}" + (f"  # {value.origin}" if origin else ""))


@command.command("set")
@click.argument("key")
@click.argument("value")
@workspace_option
@debug_option
def set_(key: str, value: str, workspace: str | None) -> None:
    """Set KEY to VALUE in your own settings file, or with -w in that workspace's."""
    from crawler.cli.output import write
    from crawler.errors import UsageError
    from crawler.settings import set_value, user_file, workspace_file

    if workspace is not None and (does := _ONES_OWN.get(key)):
        raise UsageError(f"a workspace file may not {does}", hint="set it without -w, for yourself")
    path = user_file() if workspace is None else workspace_file(find_workspace(workspace))
    set_value(path, key, value)
    write(f"{key} is set in {path}")


@command.command("path")
@workspace_option
@debug_option
def path_(workspace: str | None) -> None:
    """Print the settings files that are read, the nearest first, and whether they exist."""
    from crawler.cli.output import write
    from crawler.settings import user_file, workspace_file

    for path in (workspace_file(find_workspace(workspace)), user_file()):
        write(f"{path}" + ("" if path.exists() else "  (not there)"))


def _toml(value: Any) -> str:
    import json

    return "unset" if value is None else json.dumps(value, ensure_ascii=False)
