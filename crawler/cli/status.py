"""``trawl status``: every crawl of a workspace and how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crawler.cli.options import debug_option, find_workspace, json_option, workspace_option

if TYPE_CHECKING:
    from storage.records import CrawlStatus


@click.command("status", short_help="Crawls, how far they are, and why works were left out.")
@click.argument("crawl", required=False)
@click.option("--explain", is_flag=True, help="Say what every reason means (takes a moment).")
@workspace_option
@json_option
@debug_option
def command(crawl: str | None, explain: bool, workspace: str | None, as_json: bool) -> None:
    """Show every crawl of the workspace, and the table of reasons of CRAWL or of the last one."""
    from crawler.cli.output import as_json as to_json
    from crawler.cli.output import plain, write
    from crawler.errors import UsageError
    from storage.reader import Reader

    with Reader(find_workspace(workspace)) as reader:
        found = reader.crawls()
        if crawl:
            found = [status for status in found if status.crawl.id.startswith(crawl)]
            if not found:
                raise UsageError(f"no crawl has an id that starts with {crawl!r}")
        passed_over = reader.dropped(found[0].crawl.id) if found else {}
    if as_json:
        write(to_json({"v": 1, "crawls": plain(found)}, indent=2))
    elif not found:
        write("no crawl was started in this workspace yet")
    else:
        write(_text(found, explain, passed_over))


def _text(found: list[CrawlStatus], explain: bool, passed_over: dict[str, int]) -> str:
    from crawler.cli.output import table
    from crawler.cli.report import reasons_table

    lines = [
        [
            status.crawl.id,
            status.crawl.spec.site,
            status.crawl.spec.query,
            "running" if status.running else _ended(status.crawl.state),
            f"{status.accepted}/{status.crawl.want}" if status.crawl.want else status.accepted,
            status.seen,
            status.pending,
            status.crawl.updated_at,
        ]
        for status in found
    ]
    headings = ["crawl", "source", "query", "state", "accepted", "seen", "pending", "last"]
    explanations = None
    if explain:
        from crawler import plugins

        explanations = plugins.judge().reasons()
    last = found[0]
    text = table(headings, lines, right="accepted seen pending")
    if last.rows:
        text += f"\n\n{last.crawl.id}:\n" + reasons_table(
            last.rows, explanations, finished=last.crawl.state == "finished"
        )
    if passed_over:
        counts = ", ".join(f"{count} {reason}" for reason, count in passed_over.items())
        text += f"\n\nentries of the source that are no works: {counts}"
    if last.crawl.note:
        text += f"\n\n{last.crawl.note}"
    if not last.running and last.crawl.state != "finished":
        text += f"\n\ngo on with: trawl resume {last.crawl.id}"
    return text


def _ended(state: str) -> str:
    # The catalog still says so of a run that was killed.
    return "stopped" if state == "running" else state
