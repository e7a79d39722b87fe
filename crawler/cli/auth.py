"""``trawl auth``: logins, kept in the user's own file and never printed."""

from __future__ import annotations

import sys

import click

from crawler.cli.options import debug_option


@click.group("auth", short_help="Logins of sites.")
@debug_option
def command() -> None:
    """Keep logins of sites, each bound to one origin, in a file that only you can read."""


@command.command("set", context_settings={"allow_extra_args": True})
@click.argument("site")
@click.option("--login", help="Asked for when missing.")
@debug_option
@click.pass_context
def set_(ctx: click.Context, site: str, login: str | None) -> None:
    """Keep the login and API key for SITE, or login and password for the `proxy` of net.proxy.

    The key is asked for without being shown; without a terminal it is the first line of standard
    input, so that it is on no command line.
    """
    from crawler import credentials, plugins
    from crawler.cli.output import write
    from crawler.errors import UsageError
    from crawler.settings import load
    from crawler.site import Credentials

    if ctx.args:  # most likely a key, which is not to be repeated
        raise UsageError(
            "`trawl auth set` takes the name of a site and nothing else",
            hint="the key is asked for, or read from standard input; change one that others saw",
        )
    # Of the user's own settings alone: a workspace must not choose where a new login goes.
    settings = load(None)
    if site == "proxy":
        if not settings.net.proxy:
            raise UsageError(
                "no proxy is set",
                hint="first `trawl config set net.proxy http://HOST:PORT`",
            )
        base_url = settings.net.proxy
    else:
        adapter = plugins.load(plugins.ADAPTERS, settings.adapter(site))
        base_url = settings.site(site, adapter.default_site).base_url
    if not base_url:
        raise UsageError(f"{site} is no site on the network: it takes no login")
    if sys.stdin.isatty():
        login = login or click.prompt("login", err=True)
        key = click.prompt("API key", hide_input=True, err=True)
    else:
        login = login or sys.stdin.readline().strip()
        key = sys.stdin.readline().strip()
    if not login or not key:
        raise UsageError("a login and an API key are both needed", hint="give --login NAME")
    path = credentials.store(site, base_url, Credentials(login, key))
    write(f"the login for {site} is kept in {path}, for {credentials.origin_of(base_url)} alone")


@command.command("list")
@debug_option
def list_() -> None:
    """Print the sites there are logins for: how each begins, never a key."""
    from crawler import credentials
    from crawler.cli.output import table, write

    rows = [
        [site, f"{secret.credentials.login[:1]}…", secret.origin or "as set", secret.source]
        for site, secret in sorted(credentials.read().items())
    ]
    write(table(["site", "login", "origin", "from"], rows) if rows else "no logins are kept")


@command.command("remove")
@click.argument("site")
@debug_option
def remove(site: str) -> None:
    """Forget the login for SITE."""
    from crawler import credentials
    from crawler.cli.output import write
    from crawler.errors import UsageError

    if not credentials.remove(site):
        raise UsageError(f"no login for {site!r} is kept", hint="`trawl auth list` names them")
    write(f"the login for {site} is forgotten")
