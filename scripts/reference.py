"""Writes docs/reference from the code itself: commands, settings, reasons, tables and events.

``python scripts/reference.py`` writes it; a test fails while the pages differ from the code.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import sqlite3
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import click

from crawler import plugins
from crawler.cli.main import COMMANDS, cli
from crawler.cli.report import OUTCOMES, STATES
from crawler.setting_keys import Limits, Storage
from crawler.site import Net, Site
from storage.schema import migrate
from storage.stream import EventKind
from storage.words import AGAIN, BY_PERSON

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
MADE = "<!-- Made by scripts/reference.py from the code: change that, and run it. -->"

TABLES: Mapping[str, str] = MappingProxyType(
    {
        "accepted": "view: every accepted picture of every crawl, in the crawl's order",
        "actions": "what people did (accept, reject, judge), to be undone",
        "attempts": "every try of a rung: outcome, reason, bytes",
        "candidates": "one work at a source, shared by all crawls that meet it: what is claimed, "
        "and which picture it turned out to be; side and pixels are of the picture as it is known",
        "candidate_tags": "which work has which tag",
        "consumers": "named readers of the events, and how far each has acknowledged",
        "crawls": "each crawl: what makes it the one it is, its policy, target and state",
        "cursors": "how far each part of a crawl has been listed",
        "decided": "what each action changed: the decision there was before",
        "decisions": "the word of a person on a picture or a work, which outranks the rules",
        "deliveries": "events acknowledged out of order, to be given again, or given up",
        "derived": "pictures made from others: parent, stage, version, parameters",
        "doomed": "files that a committed transaction has ordered away",
        "dropped": "entries of a source that are no works: counted, not stored",
        "events": "what happened to pictures of a set, in commit order",
        "exported": "which exported file shows or tells of which picture",
        "images": "every file ever decoded: what it is and everything measured of it",
        "kept": "files and bytes in the store, by whether some crawl takes them",
        "meta": "single values: clean marks, what is under way",
        "reasons": "view: works of each crawl by state and reason",
        "rungs": "the places to get a work from, the largest first",
        "tagged": "view: tags of every work of each crawl, one a row",
        "tags": "every tag by category",
        "tallies": "works of each crawl by state and reason, kept count of",
        "unjudged": "works of which something has changed since they were judged",
        "works": "one place in a crawl's order: state, reason, measured, threshold",
    }
)
EVENTS: Mapping[str, str] = MappingProxyType(
    {
        "accepted": "a crawl takes a picture; `live`: whether any crawl has it now",
        "retracted": "a crawl lets it go, for its `reason`; a consumer that keeps one copy for all "
        "crawls lets go at `live: false`",
        "superseded": "a better copy took the place of another (near-duplicates: to come)",
        "retagged": "the site changed the tags of a picture in a set",
        "crawl_finished": "a crawl met its target or its source has no more: counts by state",
    }
)
OTHERS: Mapping[str, str] = MappingProxyType(
    {
        BY_PERSON: "accepted or rejected by a person, whatever the rules say",
        AGAIN: "pending: `trawl retry` asked for it, and it is tried whatever the target",
        "same_file": "duplicate: the same bytes as an earlier work of the crawl",
        "same_pixels": "duplicate: its source says that its pixels are those of an earlier work",
    }
)
LINES: Mapping[str, str] = MappingProxyType(
    {
        "accepted, rejected, duplicate, failed, unavailable, pending": "a work reached that state",
        "waiting": "a host asked for time: `host`, `reason`, `until`",
        "progress": "how far the run is, every few seconds",
        "summary": "the last line: how it ended, the table of reasons, what it cost",
    }
)


def pages() -> dict[str, str]:
    """File name -> text of every page."""
    made: dict[str, Callable[[], Iterable[str]]] = {
        "commands.md": _commands,
        "settings.md": _settings,
        "reasons.md": _reasons,
        "catalog.md": _catalog,
    }
    return {name: MADE + "\n\n" + "\n".join(make()).rstrip() + "\n" for name, make in made.items()}


def _commands() -> Iterator[str]:
    yield "# Commands\n"
    yield "Exit codes are in [exit-codes.md](../exit-codes.md). `-w`, `--json` and `--debug` mean"
    yield "the same everywhere.\n"
    for heading, section in COMMANDS.items():
        yield f"## {heading}\n"
        for name in section:
            command = cli.get_command(click.Context(cli), name)
            assert command is not None
            yield from _command(f"trawl {name}", command)


def _command(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    yield f"### {name}\n"
    yield f"`{usage}`\n"
    yield f"{_one_line(command.help)}\n"
    rows = [_flag(p) for p in command.params if isinstance(p, click.Option) and not p.hidden]
    if rows:
        yield from _table(("flag", "meaning"), rows)
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None
            yield from _command(f"{name} {inner}", found)


def _flag(option: click.Option) -> tuple[str, str]:
    # Not by click's own help lines: these differ between its versions.
    names = ", ".join(sorted(option.opts, key=len))
    value = ""
    if not option.is_flag and not option.count:
        choices = getattr(option.type, "choices", ())
        value = " " + (option.metavar or "|".join(choices) or option.type.name.upper())
    more = []
    if option.required:
        more.append("Required.")
    if option.show_default and isinstance(option.default, (str, int, float)):
        more.append(f"Default: {option.default}.")
    if option.multiple:
        more.append("May be given again.")
    return f"`{names}{value}`", " ".join([option.help or "", *more])


def _settings() -> Iterator[str]:
    yield "# Settings\n"
    yield "Flags win over `TRAWL_*` variables (`TRAWL_NET__CONTACT`), over the workspace's"
    yield "`trawl.toml`, over your own `config.toml`, over these. `trawl config show --origin`"
    yield "says what is in force and why. Sizes take `20G`, times `2h`.\n"
    for section, kind in (("net", Net), ("limits", Limits), ("storage", Storage)):
        yield f"## [{section}]\n"
        yield from _fields(kind, "")
    yield "## [sites.NAME]\n"
    yield from _fields(Site, "", leave_out={"name", "credentials"})
    yield "## [policy]\n"
    yield "What a picture must be; `--set FILTER.OPTION=VALUE` for one crawl. `allow` lists reasons"
    yield "that do not count (`--allow`).\n"
    for group, title in (
        (plugins.FILTERS, "[policy.{}]"),
        (plugins.ADAPTERS, "Options of the source {}"),
        (plugins.EXPORTS, "Options of the layout {}"),
        (plugins.STAGES, "Options of the stage {}"),
    ):
        for name in plugins.names(group):
            options = plugins.load(group, name).Options
            if dataclasses.fields(options):
                yield f"### {title.format(name)}\n"
                yield from _options(options)


def _fields(
    kind: type[Any], before: str, leave_out: frozenset[str] | set[str] = frozenset()
) -> Iterator[str]:
    said = _field_docs(kind)
    rows = [
        (f"`{before}{f.name}`", _shown(f.default), said.get(f.name, ""))
        for f in dataclasses.fields(kind)
        if f.name not in leave_out
    ]
    yield from _table(("setting", "default", "meaning"), rows)


def _field_docs(kind: type[Any]) -> dict[str, str]:
    """Field -> the text behind it in the source, which Python itself forgets."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(tree, ast.ClassDef)
    found: dict[str, str] = {}
    for field, text in zip(tree.body, tree.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            found[field.target.id] = _one_line(str(text.value.value))
    return found


def _options(options: type[Any]) -> Iterator[str]:
    rows = []
    for field in dataclasses.fields(options):
        about = field.metadata
        parts = [about.get("help", "")]
        if about.get("unit"):
            parts.append(f"({about['unit']})")
        if about.get("choices"):
            parts.append(f"One or more of {', '.join(about['choices'])}.")
        if about.get("source"):
            parts.append(f"From: {about['source']}.")
        rows.append((f"`{field.name}`", _shown(field.default), " ".join(filter(None, parts))))
    yield from _table(("option", "default", "meaning"), rows)


def _reasons() -> Iterator[str]:
    yield "# States and reasons\n"
    yield "Every work of a crawl is in exactly one state.\n"
    yield from _table(("state", "meaning"), [(f"`{s}`", text) for s, text in STATES.items()])
    yield "## Why a work is rejected\n"
    yield "In the order in which the filters are asked; the first objection is the reason.\n"
    rows = [
        (f"`{reason}`", f"`{filter.name}`", text, "never" if filter.forced else "yes")
        for filter in plugins.judge().filters
        for reason, text in filter.reasons.items()
    ]
    yield from _table(("reason", "filter", "meaning", "`--allow`"), rows)
    yield "## Why a work failed or is unavailable\n"
    rows = [(f"`{reason}`", text) for reason, text in sorted(OUTCOMES.items())]
    yield from _table(("reason", "meaning"), [*rows, ("`http_NNN`", "its host answers so")])
    yield "## Other reasons\n"
    yield from _table(("reason", "meaning"), [(f"`{r}`", text) for r, text in OTHERS.items()])


def _catalog() -> Iterator[str]:
    yield "# The catalog\n"
    yield "`catalog.db` is plain SQLite, made to be read by any tool while a crawl writes. Columns"
    yield "whose values are JSON say so by their content. `trawl query --sql` asks it directly.\n"
    db = sqlite3.connect(":memory:", isolation_level=None)
    migrate(db)
    names = [
        row[0]
        for row in db.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
            " AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '_sqlite_%' ORDER BY name"
        )
    ]
    rows = []
    for name in names:
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({name})")]
        rows.append((f"`{name}`", TABLES[name], ", ".join(f"`{c}`" for c in columns)))
    db.close()
    yield from _table(("table", "what it holds", "columns"), rows)
    yield "## Events\n"
    yield "Lines of `trawl stream`, in the order in which they were committed.\n"
    kinds = [(f"`{kind}`", EVENTS[kind]) for kind in get_args(EventKind)]
    yield from _table(("type", "meaning"), kinds)
    yield "## Lines of a run\n"
    yield "`--ndjson` of `trawl crawl`, `character` and `resume`; fields are only ever added.\n"
    yield from _table(("type", "meaning"), [(k, text) for k, text in LINES.items()])


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(headings) + " |"
    yield "|" + "---|" * len(headings)
    for row in rows:
        yield "| " + " | ".join(_one_line(cell).replace("|", "\\|") for cell in row) + " |"
    yield ""


def _one_line(text: str | None) -> str:
    return " ".join((text or "").replace("\b", "").split())


def _shown(value: Any) -> str:
    if value is dataclasses.MISSING or value in ("", None, (), frozenset()):
        return ""
    if isinstance(value, tuple):
        return f"`{','.join(map(str, value))}`"
    return f"`{value}`"


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
