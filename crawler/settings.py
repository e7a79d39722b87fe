"""Settings: flags > ``TRAWL_*`` > workspace ``trawl.toml`` > the user's ``config.toml`` > defaults.

Every value knows where it was set. Keys are dotted (``net.contact``, ``sites.danbooru.rate``,
``policy.resolution.min_side``); an unknown one is an error that names the close ones.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crawler.credentials import Secret, origin_of, user_folder, write_atomically
from crawler.credentials import read as read_secrets
from crawler.errors import ConfigError
from crawler.setting_keys import SECRET_OPTIONS, Limits, Storage, parse
from crawler.site import Credentials, Net, Site

__all__ = ["Limits", "Settings", "Storage", "Value", "load", "parse", "set_value"]

_READ_IT = "read the file; if it is yours, run again with --trust-workspace"
_RESERVED = frozenset({"TRAWL_WORKSPACE", "TRAWL_CORPUS", "TRAWL_VIEWER"})


@dataclass(frozen=True)
class Value:
    """One setting and where it was set: a file, a variable, ``flag`` or ``default``."""

    value: Any
    origin: str


@dataclass(frozen=True)
class Settings:
    """Everything that was set, checked; made by :func:`load`."""

    net: Net = field(default_factory=Net)
    limits: Limits = field(default_factory=Limits)
    storage: Storage = field(default_factory=Storage)
    policy: Mapping[str, Any] = field(default_factory=dict)
    """As :meth:`filters.policy.Judge.policy` takes it: sections of options, and ``allow``."""
    sites: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    values: Mapping[str, Value] = field(default_factory=dict)
    """Dotted key -> what was set. Defaults are not in it."""
    own_origins: Mapping[str, str] = field(default_factory=dict)
    """Site -> the origin its user (not a workspace file) chose; ``proxy`` -> that of the proxy."""
    secrets: Mapping[str, Secret] = field(default_factory=dict, repr=False)
    trusted: bool = False
    """Whether the workspace may name files of this machine."""

    def adapter(self, site: str) -> str:
        """The name of the adapter that serves a site: ``[sites.NAME] adapter``, else its name."""
        return str(self.sites.get(site, {}).get("adapter", site))

    def site(self, name: str, default: Site) -> Site:
        """The site as set, over its adapter's default; with a login only for that very origin."""
        site = dataclasses.replace(default, name=name, **self.sites.get(name, {}))
        secret = self.secrets.get(name)
        if secret is None or not site.base_url:
            return site
        bound = secret.origin or self.own_origins.get(name) or origin_of(default.base_url)
        if origin_of(site.base_url) != bound:
            return site
        return dataclasses.replace(site, credentials=secret.credentials)

    @property
    def proxy_login(self) -> Credentials | None:
        """The login of the name ``proxy``, if it is for the very proxy of ``net.proxy``."""
        secret = self.secrets.get("proxy")
        if secret is None or not self.net.proxy:
            return None
        bound = secret.origin or self.own_origins.get("proxy")
        return secret.credentials if bound == origin_of(self.net.proxy) else None

    def origin(self, key: str) -> str:
        """Where a key was set, or ``default``."""
        return self.values[key].origin if key in self.values else "default"

    def items(self) -> Iterator[tuple[str, Value]]:
        """Every key with its value in force: the fixed ones, then the sites and policy set."""
        for section in ("net", "limits", "storage"):
            chosen = getattr(self, section)
            for option in dataclasses.fields(chosen):
                key = f"{section}.{option.name}"
                yield key, Value(getattr(chosen, option.name), self.origin(key))
        for key, value in sorted(self.values.items()):
            if key.startswith(("sites.", "policy.")):
                yield key, value


def load(
    workspace: Path | None,
    *,
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] = os.environ,
    trust_workspace: bool = False,
) -> Settings:
    """Read every layer. ``flags`` maps dotted keys to text or values.

    Raises ConfigError for an unknown key, a wrong value, a file that is not TOML, and a workspace
    file that opens private hosts, chooses a proxy, redirects a site with a login or names files of
    this machine (models to run) without ``trust_workspace``.
    """
    secrets = read_secrets(environ)
    own: dict[str, Value] = {}
    values: dict[str, Value] = {}
    user = user_file()
    _merge(own, _flat(_read_toml(user)), f"user file {user}", user.parent)
    values.update(own)
    if workspace is not None:
        shared: dict[str, Value] = {}
        path = workspace_file(workspace)
        found = _flat(_read_toml(path))
        if not trust_workspace:
            _distrust_files(found, path)
        _merge(shared, found, f"workspace file {path}", path.parent)
        values.update(shared)
    nearer: dict[str, Value] = {}
    for key, (variable, text) in _environment(environ).items():
        _merge(nearer, {key: text}, f"environment {variable}")
    _merge(nearer, flags or {}, "flag")
    values.update(nearer)
    own.update(nearer)
    own_origins = {
        key.split(".")[1]: origin_of(value.value)
        for key, value in own.items()
        if key.startswith("sites.") and key.endswith(".base_url")
    }
    own_proxy = own["net.proxy"].value if "net.proxy" in own else ""
    if own_proxy:
        own_origins["proxy"] = origin_of(own_proxy)
    if workspace is not None and not trust_workspace:
        _distrust(shared, secrets, own_origins, own_proxy)
    _known_sites(values)
    return Settings(
        net=Net(**_section(values, "net")),
        limits=Limits(**_section(values, "limits")),
        storage=Storage(**_section(values, "storage")),
        policy=_policy(values),
        sites=_sites(values),
        values=values,
        own_origins=own_origins,
        secrets=secrets,
        trusted=trust_workspace,
    )


def user_file() -> Path:
    """The user's own settings file. It need not exist."""
    return user_folder() / "config.toml"


def workspace_file(workspace: Path) -> Path:
    """The settings file of a workspace. It need not exist."""
    return workspace / "trawl.toml"


def set_value(path: Path, key: str, given: str) -> Any:
    """Write one checked setting into a settings file, keeping its comments; returns the value.

    Raises ConfigError for an unknown key, a wrong value, or a file that is not TOML.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    value = parse(key, given, "command line")
    try:
        document = tomlkit.parse(path.read_text("utf-8") if path.exists() else "")
    except (TOMLKitError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{path} is not TOML: {problem}") from problem
    *sections, option = key.split(".")
    table: Any = document
    for section in sections:
        if section not in table:
            table.add(section, tomlkit.table(is_super_table=section != sections[-1]))
        table = table[section]
    table[option] = sorted(value) if isinstance(value, (frozenset, tuple)) else value
    write_atomically(path, tomlkit.dumps(document))
    return value


def _merge(
    values: dict[str, Value], given: Mapping[str, Any], origin: str, folder: Path | None = None
) -> None:
    for key, raw in given.items():
        values[key] = Value(parse(key, raw, origin, folder and folder.absolute()), origin)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{path} is not TOML: {problem}") from problem


def _flat(table: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in table.items():
        key = f"{before}{name}"
        flat.update(_flat(value, f"{key}.") if isinstance(value, dict) else {key: value})
    return flat


def _environment(environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    found = {}
    for variable, text in environ.items():
        upper = variable.upper()
        if not upper.startswith("TRAWL_") or upper.startswith("TRAWL_TEST_") or upper in _RESERVED:
            continue
        key = ".".join(upper.removeprefix("TRAWL_").lower().split("__"))
        if not (key.startswith("sites.") and key.split(".")[-1] in SECRET_OPTIONS):
            found[key] = (variable, text)
    return found


def _distrust_files(found: Mapping[str, Any], path: Path) -> None:
    """Before any of them is looked at."""
    for key, value in found.items():
        section, _, rest = key.partition(".")
        name, _, option = rest.partition(".")
        if section != "policy" or not option or not value:
            continue
        from crawler import plugins  # only where a policy is set: filters take time to load

        if name in plugins.names(plugins.FILTERS) and plugins.names_files(name, option):
            raise ConfigError(
                f"the workspace file {path} names files that filters are to run ({key})",
                hint=_READ_IT,
            )


def _distrust(
    shared: Mapping[str, Value],
    secrets: Mapping[str, Secret],
    own_origins: Mapping[str, str],
    own_proxy: str,
) -> None:
    hint = _READ_IT
    for key, value in shared.items():
        if key == "net.allow_hosts" and value.value:
            raise ConfigError(f"the {value.origin} opens private hosts ({key})", hint=hint)
        if key == "net.proxy" and value.value != own_proxy:
            # Also where it is empty: whoever set a proxy does not want to be seen without it.
            does = "sends everything to a proxy" if value.value else "turns your proxy off"
            raise ConfigError(f"the {value.origin} {does} ({key})", hint=hint)
        if not (key.startswith("sites.") and key.endswith(".base_url")):
            continue
        site = key.split(".")[1]
        if site in secrets:
            bound = secrets[site].origin or own_origins.get(site)
            if origin_of(value.value) != bound:
                raise ConfigError(
                    f"the {value.origin} redirects {site}, for which you have a login ({key})",
                    hint=hint,
                )


def _known_sites(values: Mapping[str, Value]) -> None:
    named = {key.split(".")[1]: value for key, value in values.items() if key.startswith("sites.")}
    if not named:
        return
    from crawler import plugins

    adapters = plugins.names(plugins.ADAPTERS)
    for site, value in named.items():
        if site not in adapters and f"sites.{site}.adapter" not in values:
            raise ConfigError(
                f"{plugins.unknown('source', site, adapters)} ({value.origin})",
                hint=f"for a site of your own set sites.{site}.adapter",
            )


def _section(values: Mapping[str, Value], section: str) -> dict[str, Any]:
    return {
        key.split(".")[1]: value.value
        for key, value in values.items()
        if key.startswith(f"{section}.")
    }


def _sites(values: Mapping[str, Value]) -> dict[str, dict[str, Any]]:
    sites: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        if key.startswith("sites."):
            _, site, option = key.split(".")
            sites.setdefault(site, {})[option] = value.value
    return sites


def _policy(values: Mapping[str, Value]) -> dict[str, Any]:
    policy: dict[str, Any] = {}
    for key, value in values.items():
        if key == "policy.allow":
            policy["allow"] = value.value
        elif key.startswith("policy."):
            _, name, option = key.split(".")
            policy.setdefault(name, {})[option] = value.value
    return policy
