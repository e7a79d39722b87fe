"""``trawl show``: everything the catalog knows of one work."""

from __future__ import annotations

import click

from crawler.cli.options import debug_option, find_workspace, json_option, workspace_option


@click.command("show", short_help="Everything known of one work.")
@click.argument("ref")
@workspace_option
@json_option
@debug_option
def command(ref: str, workspace: str | None, as_json: bool) -> None:
    """Show one work: where it was seen, its files, every measure beside its threshold, its tags,
    what was decided, and what was made of it.

    REF is site:id, the start of a sha256, a stored or exported file, or an id that no other work
    has.
    """
    from crawler.cli.output import as_json as to_json
    from crawler.cli.output import plain, write
    from crawler.cli.showing import described
    from crawler.measured import asked_of
    from storage.reader import Reader

    with Reader(find_workspace(workspace)) as reader:
        found = plain(reader.show(ref))
        crawls = [crawl for work in found["works"] if (crawl := reader.crawl(work["crawl_id"]))]
    found["thresholds"] = asked_of(found["picture"] or {}, found, crawls)
    write(to_json(found, indent=2) if as_json else described(found))
