"""``trawl``: the group of all commands, and the one place where errors become lines and codes."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import logging
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import click

from crawler.cli.destination import FULL
from crawler.cli.log import logged
from crawler.cli.options import debug_option
from crawler.cli.output import OutputClosed
from crawler.decoding.calculation import VARIABLES
from crawler.errors import NoSpace, TrawlError, UnknownTag
from crawler.site import VERSION

log = logging.getLogger(__name__)

COMMANDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "Gather": {
            "character": "character",
            "crawl": "crawl",
            "run": "run",
            "resume": "resume",
            "retry": "retry",
            "stop": "stop",
        },
        "Decide": {
            "accept": "accept",
            "reject": "reject",
            "judge": "judge",
            "undo": "undo",
        },
        "Look": {
            "status": "status",
            "query": "query",
            "show": "show",
            "sheet": "sheet",
            "inspect": "inspect",
            "sources": "sources",
        },
        "Hand on": {
            "export": "export",
            "stream": "stream",
            "consumers": "consumers",
        },
        "Set up": {
            "demo": "demo",
            "config": "config",
            "auth": "auth",
            "doctor": "doctor",
        },
    }
)
"""Heading of the help -> command -> module of ``crawler.cli`` with a ``command`` in it."""


class LazyGroup(click.Group):
    """Imports a command's module when the command is called or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for section in COMMANDS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for section in COMMANDS.values():
            if cmd_name in section:
                module = importlib.import_module(f"crawler.cli.{section[cmd_name]}")
                command: click.Command = module.command
                return command
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            close = difflib.get_close_matches(args[0], self.list_commands(ctx))
            hint = f"; did you mean {', '.join(close)}?" if close else ""
            raise click.UsageError(f"no command called {args[0]!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, section in COMMANDS.items():
            commands = ((name, self.get_command(ctx, name)) for name in section)
            rows = [(name, command.get_short_help_str(90)) for name, command in commands if command]
            with formatter.section(heading):
                formatter.write_dl(rows)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Results go to standard output, progress to standard error. "
    "Any crawl that was stopped goes on with the same command. Exit codes: docs/exit-codes.md",
)
@click.version_option(VERSION, prog_name="trawl")
@debug_option
def cli() -> None:
    """Gather image training sets: crawl, judge, deduplicate, catalog and export pictures."""


def run() -> None:
    """The entry point of the ``trawl`` command; never returns."""
    # Read when numpy is first imported, which is later.
    for threads in VARIABLES:
        os.environ.setdefault(threads, "1")
    code = main(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_output()
    except OSError as error:  # what was printed goes to a file on a disk that is full
        _forget_output()
        code = code or _disk_trouble(error)
    if _threads_left():
        # A filter or decoder that does not end must not keep a finished command alive; nothing of
        # ours is open by now.
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _threads_left() -> bool:
    """Whether threads that the interpreter would wait for go on for longer than a moment."""
    others = [t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
    for thread in others:
        thread.join(0.2)
    return any(thread.is_alive() for thread in others)


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; errors are told in one line on standard error."""
    with logged(everything="--debug" in arguments):
        return _run(arguments)


def _run(arguments: Sequence[str]) -> int:
    try:
        code = cli.main(args=list(arguments), prog_name="trawl", standalone_mode=False)
    except OutputClosed:
        # Whoever read us has seen enough (``trawl query | head``): that is no failure.
        _forget_output()
        return 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.ClickException as error:
        _tell(error.format_message().replace("\n", " "), _help_hint(error), "E_USAGE")
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _tell("interrupted", "", "E_INTERRUPTED")
        return 130
    except TrawlError as error:
        log.debug("the command failed", exc_info=True)
        _tell(error.message, _hint(error), error.code)
        return error.exit_code
    except Exception as error:
        log.debug("the command failed", exc_info=True)
        if isinstance(error, OSError) and error.strerror:
            return _disk_trouble(error)
        line = " ".join(f"{type(error).__name__}: {error}".split())
        _tell(line, "run again with --debug to see where, and please report it", "E_UNEXPECTED")
        return 1
    return code if isinstance(code, int) else 0


def _disk_trouble(error: OSError) -> int:
    what = " ".join(f"{error.filename}: {error.strerror}".split())
    what = what if error.filename is not None else str(error.strerror)
    if error.errno in FULL:
        _tell(what, NoSpace.hint, NoSpace.code)
        return NoSpace.exit_code
    _tell(what, "run again with --debug to see where", "E_IO")
    return 1


def _hint(error: TrawlError) -> str:
    if isinstance(error, UnknownTag) and not error.hint:
        return "write it as the site does, for example hakurei_reimu"
    return error.hint


def _tell(message: str, hint: str, code: str) -> None:
    # Where nothing can be said any more (a log on a full disk) the exit code still says it.
    with contextlib.suppress(OSError):
        click.echo(f"trawl: {message} [{code}]", err=True)
        if hint:
            click.echo(f"       {hint}", err=True)


def _help_hint(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"`{context.command_path if context else 'trawl'} --help` shows how"


def _forget_output() -> None:
    # The interpreter flushes stdout once more at exit, and would complain of the closed pipe.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    run()
