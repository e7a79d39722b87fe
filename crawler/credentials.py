"""Credentials: from the environment or the user's own file, never from a workspace.

A login is bound to one origin (scheme, host and port): it is sent there and nowhere else.
"""

from __future__ import annotations

import base64
import os
import re
import stat
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus, urlsplit

from crawler.errors import ConfigError
from crawler.site import Credentials

_FIELDS = ("origin", "login", "api_key")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Secret:
    """A login and the origin it may be sent to.

    ``origin`` None means the origin that the user's own settings give the site.
    """

    credentials: Credentials
    origin: str | None
    source: str
    """Where it was read, for a person: a file or a variable's name."""


def user_folder() -> Path:
    """The folder of the user's own settings, as the platform has it. It need not exist."""
    from platformdirs import user_config_path

    return user_config_path("trawl", appauthor=False)


def credentials_file() -> Path:
    """Where logins are kept, readable by their owner alone."""
    return user_folder() / "credentials.toml"


def origin_of(url: str) -> str:
    """``scheme://host[:port]`` of a URL, lower case, without the scheme's usual port."""
    parts = urlsplit(url)
    scheme, host, port = parts.scheme.lower(), (parts.hostname or "").lower(), parts.port
    if ":" in host:
        host = f"[{host}]"
    return f"{scheme}://{host}" + (f":{port}" if port not in (None, _PORTS.get(scheme)) else "")


def read(environ: Mapping[str, str] = os.environ) -> dict[str, Secret]:
    """Every login, by site name; the environment wins over the file.

    Raises ConfigError for a half-set login, and for a file that others can read.
    """
    return {**_from_file(credentials_file()), **_from_environment(environ)}


def redacted(text: str, logins: Iterable[Credentials]) -> str:
    """The text with ``***`` for every login and key, as they are and as URLs and headers hold them.

    For words of others that we repeat: a site may tell us what we sent it.
    """
    for login in logins:
        pair = f"{login.login}:{login.api_key}".encode()
        whole = [base64.b64encode(pair).decode("ascii")]
        for secret in (login.login, login.api_key):
            whole += [secret, quote(secret, safe=""), quote_plus(secret)]
        for form in sorted({*whole} - {""}, key=len, reverse=True):
            # As a word of its own: a login called "me" is no reason to hide half of "name".
            text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(form)}(?![A-Za-z0-9])", "***", text)
    return text


def store(site: str, origin: str, credentials: Credentials) -> Path:
    """Keep a login for one origin in the user's own file, and return the file."""
    path = credentials_file()
    entries = _entries(path)
    entries[site] = {
        "origin": origin_of(origin),
        "login": credentials.login,
        "api_key": credentials.api_key,
    }
    _write(path, entries)
    return path


def remove(site: str) -> bool:
    """Forget a stored login; False where there was none."""
    path = credentials_file()
    entries = _entries(path)
    if entries.pop(site, None) is None:
        return False
    _write(path, entries)
    return True


def write_atomically(path: Path, text: str, mode: int | None = None) -> None:
    """Replace a file in one step. ``mode`` None keeps the old file's, or the usual for a new one.

    The folder is made where missing; the new bytes are on the disk before the name points to them.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if mode is None:
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644
    # mkstemp makes the file 0600, so a secret is at no moment readable by others.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _from_environment(environ: Mapping[str, str]) -> dict[str, Secret]:
    found: dict[str, dict[str, str]] = {}
    for variable, value in environ.items():
        parts = variable.upper().split("__")
        if len(parts) == 3 and parts[0] == "TRAWL_SITES" and parts[2] in ("LOGIN", "API_KEY"):
            found.setdefault(parts[1].lower(), {})[parts[2].lower()] = value
    secrets = {}
    for site, fields in found.items():
        missing = {"login", "api_key"} - {name for name, value in fields.items() if value}
        if missing:
            variable = f"TRAWL_SITES__{site.upper()}__{missing.pop().upper()}"
            raise ConfigError(
                f"half of the login for {site} is set in the environment",
                hint=f"set {variable} too, or neither",
            )
        secrets[site] = Secret(Credentials(**fields), None, "environment")
    return secrets


def _from_file(path: Path) -> dict[str, Secret]:
    return {
        site: Secret(Credentials(entry["login"], entry["api_key"]), entry["origin"], str(path))
        for site, entry in _entries(path).items()
    }


def _entries(path: Path) -> dict[str, dict[str, str]]:
    try:
        with path.open("rb") as file:
            # Asked of the open file, not of the name: what is checked is what is read.
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise ConfigError(
                    f"{path} can be read by others, so its logins are not used",
                    hint=f"chmod 600 {path}",
                )
            entries = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{path} is not TOML: {problem}") from problem
    for site, entry in entries.items():
        whole = isinstance(entry, dict) and sorted(entry) == sorted(_FIELDS)
        if not whole or not all(isinstance(value, str) and value for value in entry.values()):
            raise ConfigError(
                f"[{site}] in {path} must hold the texts origin, login and api_key, and no more",
                hint=f"write it again with `trawl auth set {site}`",
            )
    return entries


def _write(path: Path, entries: Mapping[str, Mapping[str, str]]) -> None:
    import tomlkit

    write_atomically(path, tomlkit.dumps(entries), 0o600)
