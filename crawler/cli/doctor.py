"""``trawl doctor``: whether this machine, this installation and a site are as trawl expects."""

from __future__ import annotations

import click

from crawler.cli.options import (
    debug_option,
    find_workspace,
    json_option,
    trust_option,
    workspace_option,
)


@click.command("doctor", short_help="Whether this machine and installation are well.")
@click.option("--online", metavar="SITE", help="Also hold the site against what we expect of it.")
@workspace_option
@json_option
@trust_option
@debug_option
def command(online: str | None, workspace: str | None, as_json: bool, trust_workspace: bool) -> int:
    """Check versions, shadowed packages, settings and disk; with --online a site, politely.

    Exits 1 where a check fails.
    """
    import asyncio

    from crawler.cli.examination import examine_site, local_checks
    from crawler.cli.output import as_json as to_json
    from crawler.cli.output import plain, printable, write
    from crawler.settings import load

    path = find_workspace(workspace)
    checks = local_checks(path, trust_workspace=trust_workspace)

    def tell(name: str, ok: bool, detail: str) -> None:
        if not as_json:
            write(printable(f"{'ok  ' if ok else 'FAIL'}  {name}: {detail}"))

    for check in checks:
        tell(check.name, check.ok, check.detail)
    if online is not None:
        settings = load(path, trust_workspace=trust_workspace)
        checks += asyncio.run(examine_site(settings, online, tell))
    if as_json:
        write(to_json({"v": 1, "checks": plain(checks)}, indent=2))
    return 0 if all(check.ok for check in checks) else 1
