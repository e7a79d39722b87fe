"""``trawl sources``: what can be crawled, and with which options."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from crawler.cli.options import debug_option, json_option


@click.command("sources", short_help="Sources and layouts, with their options.")
@json_option
@debug_option
def command(as_json: bool) -> None:
    """List every installed source and export layout, with the options each takes."""
    from crawler import plugins
    from crawler.cli.output import as_json as to_json
    from crawler.cli.output import plain, write

    found: dict[str, list[dict[str, Any]]] = {"sources": [], "layouts": []}
    for heading, group in (("sources", plugins.ADAPTERS), ("layouts", plugins.EXPORTS)):
        for name in plugins.names(group):
            plugin = plugins.load(group, name)
            entry = {"name": name, "summary": _summary(plugin), "options": _options(plugin)}
            if group == plugins.ADAPTERS:
                entry["base_url"] = plugin.default_site.base_url
            found[heading].append(entry)
    write(to_json(plain(found), indent=2) if as_json else _text(found))


def _summary(plugin: Any) -> str:
    return str(getattr(plugin, "summary", "") or (plugin.__doc__ or "").partition("\n")[0])


def _options(plugin: Any) -> list[dict[str, Any]]:
    return [
        {
            "name": field.name,
            "default": None if field.default is dataclasses.MISSING else field.default,
            "help": field.metadata.get("help", ""),
            "unit": field.metadata.get("unit", ""),
        }
        for field in dataclasses.fields(plugin.Options)
    ]


def _text(found: dict[str, list[dict[str, Any]]]) -> str:
    lines = []
    for heading, entries in found.items():
        lines.append(f"{heading}:")
        for entry in entries:
            where = f" ({entry['base_url']})" if entry.get("base_url") else ""
            lines.append(f"  {entry['name']}{where}: {entry['summary']}")
            for option in entry["options"]:
                default = option["default"]
                shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
                lines.append(f"    --option {option['name']}={shown}  {option['help']}")
    return "\n".join(lines)
