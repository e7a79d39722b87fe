"""``trawl demo``: the whole way from a site to a training folder, on this machine alone."""

from __future__ import annotations

from pathlib import Path

import click

from crawler.cli.options import COUNT, debug_option

_PORT = click.IntRange(1, 65535)


@click.command("demo", short_help="See it work: a whole crawl of a site on this machine.")
@click.option(
    "--pictures",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Serve these pictures instead of drawn ones.",
)
@click.option("--keep", is_flag=True, help="Keep what an earlier demo left in ./trawl-demo.")
@click.option("--want", type=COUNT, default=200, show_default=True, help="Stop at so many.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="The finished folder; else in ./trawl-demo.",
)
@click.option(
    "--serve", is_flag=True, help="Only run the site, and print the settings that lead to it."
)
@click.option("--port", type=_PORT, help="With --serve: where the site listens; else a free port.")
@click.option("--cdn-port", type=_PORT, help="With --serve: where its pictures are.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@debug_option
def command(
    pictures: Path | None,
    keep: bool,
    want: int,
    out: Path | None,
    serve: bool,
    port: int | None,
    cdn_port: int | None,
    quiet: bool,
) -> None:
    """Start a small site on this machine that speaks as Danbooru does, and gather from it.

    What runs is `trawl character hakurei_reimu`. Nothing leaves this machine.

    With --serve the site stays until it is interrupted, for you to try commands on. A
    workspace goes on with a later one only where that has the same --port and --cdn-port.
    """
    import asyncio

    from crawler.cli import demonstration
    from crawler.errors import UsageError

    if serve:
        asyncio.run(demonstration.serve(pictures, port or 0, cdn_port or 0))
        return
    if port or cdn_port:
        raise UsageError("--port and --cdn-port are for --serve")
    asyncio.run(demonstration.demonstrate(pictures, keep=keep, want=want, out=out, quiet=quiet))
