"""Options that several commands share, and what their words become."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import click

from crawler.errors import UsageError

Command = TypeVar("Command", bound=Callable[..., Any])
Decorator: TypeAlias = Callable[[Command], Command]

_POLICY_FLAGS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "min_side": ("resolution", "min_side"),
        "min_pixels": ("resolution", "min_pixels"),
        "max_upscale": ("upscale", "max_upscale"),
        "rating": ("content", "ratings"),
        "model_cards": ("models", "cards"),
    }
)
"""Named flag -> the filter and option it sets."""


if TYPE_CHECKING:
    ParamType = click.ParamType[Any]
else:
    # Generic for type checkers of a new click; a class and nothing more in an older one.
    ParamType = click.ParamType


class Parsed(ParamType):
    """Text read by a parser that raises ValueError, such as those of ``crawler.parsers``."""

    def __init__(self, name: str, parser: str) -> None:
        self.name = name
        self._parser = parser

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from crawler import parsers

        try:
            return getattr(parsers, self._parser)(value)
        except ValueError as problem:
            self.fail(f"{value!r}: it {problem}", param, ctx)


class Assignment(ParamType):
    """``NAME=VALUE``."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        name, equals, text = value.partition("=")
        if not equals or not name:
            # Not repeated: it may be a key that slipped into the wrong place.
            self.fail("it takes NAME=VALUE", param, ctx)
        return name.strip(), text.strip()


SIZE = Parsed("size", "parse_size")
PIXELS = Parsed("pixels", "parse_pixels")
COUNT = Parsed("number", "parse_count")
RATINGS = Parsed("g,s,q,e", "parse_ratings")
DURATION = Parsed("time", "parse_duration")
NAMES = Parsed("a,b", "parse_names")
ASSIGNMENT = Assignment()

debug_option: Decorator[Any] = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    help="Log every step, and show where an error came from.",
)
"""``main`` acts on it, wherever it stands on the command line."""
workspace_option: Decorator[Any] = click.option(
    "-w",
    "--workspace",
    metavar="FOLDER",
    help="The workspace; else TRAWL_WORKSPACE, the nearest parent with a catalog, ./trawl-data.",
)
json_option: Decorator[Any] = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document."
)
trust_option: Decorator[Any] = click.option(
    "--trust-workspace",
    is_flag=True,
    help="Let the workspace open private hosts, redirect sites and name models to run.",
)
option_option: Decorator[Any] = click.option(
    "--option",
    "assignments",
    multiple=True,
    type=ASSIGNMENT,
    help="Another option of the source or layout; `trawl sources` lists them.",
)


class WordsCommand(click.Command):
    """A command whose arguments end in query words: ``-comic`` is a word, not options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        takes_value = {
            name
            for param in self.params
            if isinstance(param, click.Option) and not param.is_flag
            for name in param.opts
        }
        options: list[str] = []
        words: list[str] = []
        rest = iter(args)
        for arg in rest:
            if arg == "--":
                words += rest
            elif arg.startswith("--") or (arg.startswith("-") and len(arg) == 2):
                options.append(arg)
                if arg in takes_value:
                    options += [value for value in (next(rest, None),) if value is not None]
            else:
                words.append(arg)
        return super().parse_args(ctx, [*options, "--", *words])


def all_of(*decorators: Decorator[Any]) -> Decorator[Any]:
    """Several options as one decorator, in the order of the help page."""

    def decorate(command: Command) -> Command:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


policy_options: Decorator[Any] = all_of(
    click.option("--min-side", type=PIXELS, help="Shorter side in pixels, at least."),
    click.option("--min-pixels", type=PIXELS, help="Pixels, at least (0.9M); both hold."),
    click.option(
        "--max-upscale",
        type=float,
        metavar="TIMES",
        help="How many times larger than its detail a picture may be (1.2).",
    ),
    click.option(
        "--rating",
        type=RATINGS,
        help="Ratings to take: general, sensitive, questionable, explicit.",
    ),
    click.option(
        "--allow", type=NAMES, help="Reasons not to reject for, such as monochrome,upscaled."
    ),
    click.option(
        "--model-card",
        "model_cards",
        multiple=True,
        type=click.Path(exists=True, resolve_path=True),
        metavar="FILE",
        help="A model of your own that judges pictures, by its card.",
    ),
    click.option(
        "--set",
        "settings_given",
        multiple=True,
        type=ASSIGNMENT,
        help="Any other threshold: resolution.max_pixels=50M.",
    ),
)
output_options: Decorator[Any] = all_of(
    json_option,
    click.option("--ndjson", is_flag=True, help="One JSON object a line, as things happen."),
    click.option("-q", "--quiet", is_flag=True, help="No progress."),
)
run_options: Decorator[Any] = all_of(
    click.option("--max-bytes", type=SIZE, help="Stop after this much was downloaded (20G)."),
    click.option("--max-time", type=DURATION, help="Stop after this long (2h)."),
    click.option("--strict", is_flag=True, help="Exit 6 where a work failed for good."),
    click.option("--rate", type=float, help="Requests per second and host."),
    output_options,
    trust_option,
    debug_option,
)


def crawl_options(want: int | None) -> Decorator[Any]:
    """What a new crawl takes; ``want`` is its target by default, None the source's own."""
    return all_of(
        workspace_option,
        click.option(
            "--want",
            type=COUNT,
            default=want,
            show_default=True,
            help="Pictures in the set."
            + ("  [default: 200; all of a folder]" if want is None else ""),
        ),
        click.option("--all", "want_all", is_flag=True, help="No target: all there is."),
        policy_options,
        option_option,
        click.option("--dry-run", is_flag=True, help="Only say what would be fetched."),
        click.option("--fresh", is_flag=True, help="Start over instead of resuming."),
        run_options,
    )


def find_workspace(given: str | None) -> Path:
    """The workspace the command means; it need not exist."""
    from storage.workspace import find

    return find(given, os.environ, Path.cwd())


def policy_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The policy sections that a command's flags set. Raises UsageError for an unknown option."""
    from crawler import plugins

    policy: dict[str, Any] = {}
    for flag, (name, option) in _POLICY_FLAGS.items():
        if given.get(flag) not in (None, ()):
            policy.setdefault(name, {})[option] = given[flag]
    for key, text in given.get("settings_given") or ():
        name, dot, option = key.partition(".")
        if not dot:
            raise UsageError(f"--set takes FILTER.OPTION=VALUE, and {key!r} is no FILTER.OPTION")
        options = plugins.load(plugins.FILTERS, name).Options
        policy.setdefault(name, {})[option] = plugins.option_value(name, options, option, text)
    if given.get("allow"):
        policy["allow"] = given["allow"]
    return policy
