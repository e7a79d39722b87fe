"""Settings come from five layers, know where they are from, and refuse what they do not know."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler import credentials, parsers, settings
from crawler.errors import ConfigError
from crawler.settings import load
from crawler.site import Credentials, Net, Site

DANBOORU = Site("danbooru", "danbooru", "https://danbooru.donmai.us")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with no settings of their own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


def user_writes(text: str) -> None:
    settings.user_file().parent.mkdir(parents=True, exist_ok=True)
    settings.user_file().write_text(text)


def workspace_writes(workspace: Path, text: str) -> None:
    (workspace / "trawl.toml").write_text(text)


def test_without_anything_set_all_is_default(workspace: Path) -> None:
    found = load(workspace, environ={})
    assert found.net == Net()
    assert found.storage.rejected_budget == 2_000_000_000
    assert found.limits.min_free is None
    assert {value.origin for _, value in found.items()} == {"default"}


def test_each_layer_wins_over_the_one_below_and_is_named(workspace: Path) -> None:
    environ = {"TRAWL_NET__CONTACT": "from@environment"}
    flags = {"net.contact": "from@flag"}

    def contact(*, flag: bool, env: bool) -> tuple[str, str]:
        found = load(workspace, flags=flags if flag else {}, environ=environ if env else {})
        return found.net.contact, found.origin("net.contact")

    user_writes('[net]\ncontact = "from@user"')
    assert contact(flag=False, env=False) == ("from@user", f"user file {settings.user_file()}")
    workspace_writes(workspace, '[net]\ncontact = "from@workspace"')
    own = f"workspace file {workspace / 'trawl.toml'}"
    assert contact(flag=False, env=False) == ("from@workspace", own)
    variable = "environment TRAWL_NET__CONTACT"
    assert contact(flag=False, env=True) == ("from@environment", variable)
    assert contact(flag=True, env=True) == ("from@flag", "flag")


def test_variables_reach_every_section() -> None:
    found = load(
        None,
        environ={
            "TRAWL_SITES__DANBOORU__BASE_URL": "http://127.0.0.1:3000/",
            "trawl_sites__danbooru__rate": "2.5",
            "TRAWL_NET__ALLOW_HOSTS": "127.0.0.1:3000, localhost:3001",
            "TRAWL_LIMITS__MIN_FREE": "1GiB",
            "TRAWL_WORKSPACE": "/elsewhere",
            "TRAWL_TEST_PROGRESS_SECONDS": "0.1",
        },
    )
    site = found.site("danbooru", DANBOORU)
    assert (site.base_url, site.rate) == ("http://127.0.0.1:3000", 2.5)
    assert found.net.allow_hosts == {"127.0.0.1:3000", "localhost:3001"}
    assert found.limits.min_free == 2**30


@pytest.mark.parametrize(
    ("text", "close"),
    [
        ("[net]\ncontct = 'x'", "net.contact"),
        ("[sites.danbooru]\nrat = 1", "sites.danbooru.rate"),
        ("[storage]\nrejected = 1", "storage.rejected_budget"),
    ],
)
def test_an_unknown_key_is_an_error_that_names_close_ones(
    workspace: Path, text: str, close: str
) -> None:
    workspace_writes(workspace, text)
    with pytest.raises(ConfigError) as error:
        load(workspace, environ={})
    assert close in error.value.hint
    assert str(workspace / "trawl.toml") in error.value.message
    assert error.value.exit_code == 4


def test_a_variable_with_one_underscore_too_few_is_an_error() -> None:
    with pytest.raises(ConfigError, match="TRAWL_NET_CONTACT"):
        load(None, environ={"TRAWL_NET_CONTACT": "me@example.org"})


def test_a_site_that_no_source_is_called_is_an_error() -> None:
    with pytest.raises(ConfigError, match="did you mean danbooru"):
        load(None, flags={"sites.danboru.rate": 1}, environ={})


def test_a_site_of_ones_own_names_its_adapter() -> None:
    flags = {"sites.mine.adapter": "danbooru", "sites.mine.base_url": "https://booru.example"}
    found = load(None, flags=flags, environ={})
    assert found.adapter("mine") == "danbooru"
    mine = found.site("mine", DANBOORU)
    assert (mine.name, mine.adapter, mine.base_url) == ("mine", "danbooru", "https://booru.example")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("net.contact", "me\r\nX-Other: 1"),
        ("net.contact", "me (work)"),
        ("net.allow_hosts", "127.0.0.1"),
        ("net.attempts", 0),
        ("net.attempts", True),
        ("net.min_rate", "fast"),
        ("net.min_rate", -0.5),
        ("net.contact", "Mozilla/5.0"),
        ("net.transport", "requests"),
        ("net.proxy", "socks5://127.0.0.1:1080"),
        ("net.proxy", "proxy.example:8080"),
        ("net.proxy", "http://proxy.example:8080/path"),
        ("net.proxy", "http://me:pw@proxy.example:8080"),
        ("net.proxy", 8080),
        ("net.retry_share", -0.1),
        ("net.retry_share", 1.1),
        ("net.retry_floor", "1h"),
        ("net.breaker_after", 0),
        ("net.breaker_patience", "never"),
        ("net.breaker_longest", "soon"),
        ("net.resume_from", -1),
        ("sites.danbooru.adapter", "nothing"),
        ("net.connect_timeout", -1),
        ("sites.danbooru.base_url", "ftp://danbooru.donmai.us"),
        ("sites.danbooru.base_url", "https://user:pw@danbooru.donmai.us"),
        ("sites.danbooru.base_url", "https://danbooru.donmai.us:99999"),
        ("sites.danbooru.rate", 0),
        ("sites.danbooru.rate", "nan"),
        ("sites.danbooru.connections", 1000),
        ("limits.min_free", "lots"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_its_key(key: str, value: object) -> None:
    with pytest.raises(ConfigError) as error:
        load(None, flags={key: value}, environ={})
    assert error.value.message.startswith(key)


def test_what_steers_the_network_is_read_in_its_own_unit() -> None:
    found = load(
        None,
        environ={
            "TRAWL_NET__TRANSPORT": "httpx",
            "TRAWL_NET__PROXY": "http://proxy.example:3128/",
            "TRAWL_NET__RETRY_SHARE": "0.25",
            "TRAWL_NET__RETRY_FLOOR": "30",
            "TRAWL_NET__BREAKER_AFTER": "3",
            "TRAWL_NET__BREAKER_PATIENCE": "7",
            "TRAWL_NET__BREAKER_LONGEST": "1m",
            "TRAWL_NET__RESUME_FROM": "8M",
        },
    ).net
    assert (found.transport, found.proxy) == ("httpx", "http://proxy.example:3128")
    assert (found.retry_share, found.retry_floor) == (0.25, 30.0)
    assert (found.breaker_after, found.breaker_patience, found.breaker_longest) == (3, 7, 60.0)
    assert found.resume_from == 8_000_000


def test_a_file_that_is_not_toml_is_named(workspace: Path) -> None:
    workspace_writes(workspace, "net = [")
    with pytest.raises(ConfigError, match=r"trawl\.toml is not TOML"):
        load(workspace, environ={})


def test_policy_sections_are_checked_by_their_filter(workspace: Path) -> None:
    workspace_writes(workspace, "[policy]\nallow = ['comic']\n[policy.resolution]\nmin_side = 512")
    environ = {"TRAWL_POLICY__RESOLUTION__MIN_PIXELS": "0.3M"}
    found = load(workspace, environ=environ)
    assert found.policy == {
        "allow": ("comic",),
        "resolution": {"min_side": 512, "min_pixels": 300_000},
    }


@pytest.mark.parametrize(
    "key", ["policy.resolutoin.min_side", "policy.resolution.min_sid", "policy.resolution"]
)
def test_an_unknown_policy_option_is_an_error(key: str) -> None:
    with pytest.raises(ConfigError):
        load(None, flags={key: "3"}, environ={})


def test_a_workspace_may_not_open_private_hosts_unless_trusted(workspace: Path) -> None:
    workspace_writes(workspace, "[net]\nallow_hosts = ['10.0.0.1:80']")
    with pytest.raises(ConfigError) as error:
        load(workspace, environ={})
    assert "--trust-workspace" in error.value.hint
    trusted = load(workspace, environ={}, trust_workspace=True)
    assert trusted.net.allow_hosts == {"10.0.0.1:80"}


PROXY = "http://proxy.example:3128"
PROXY_LOGIN = {"TRAWL_SITES__PROXY__LOGIN": "me", "TRAWL_SITES__PROXY__API_KEY": "secret"}


def test_a_workspace_may_not_choose_a_proxy_unless_trusted(workspace: Path) -> None:
    workspace_writes(workspace, f"[net]\nproxy = '{PROXY}'")
    with pytest.raises(ConfigError, match="sends everything to a proxy") as error:
        load(workspace, environ={})
    assert "--trust-workspace" in error.value.hint
    assert load(workspace, environ={}, trust_workspace=True).net.proxy == PROXY
    assert load(workspace, environ={"TRAWL_NET__PROXY": PROXY}).net.proxy == PROXY


def test_a_workspace_may_not_turn_the_users_proxy_off(workspace: Path) -> None:
    user_writes(f"[net]\nproxy = '{PROXY}'")
    workspace_writes(workspace, "[net]\nproxy = ''")
    with pytest.raises(ConfigError, match="turns your proxy off"):
        load(workspace, environ={})


def test_a_login_for_a_proxy_goes_to_the_proxy_the_user_chose() -> None:
    environ = {**PROXY_LOGIN, "TRAWL_NET__PROXY": PROXY}
    assert load(None, environ=environ).proxy_login == Credentials("me", "secret")
    assert load(None, environ=PROXY_LOGIN).proxy_login is None


def test_even_a_trusted_workspace_does_not_get_the_login_for_a_proxy(workspace: Path) -> None:
    workspace_writes(workspace, "[net]\nproxy = 'http://evil.example:3128'")
    for own in ("", f"[net]\nproxy = '{PROXY}'"):
        user_writes(own)
        found = load(workspace, environ=PROXY_LOGIN, trust_workspace=True)
        assert found.net.proxy == "http://evil.example:3128"
        assert found.proxy_login is None


def test_a_stored_login_goes_to_no_other_proxy() -> None:
    credentials.store("proxy", PROXY, Credentials("me", "secret"))
    found = load(None, flags={"net.proxy": PROXY}, environ={})
    assert found.proxy_login == Credentials("me", "secret")
    other = load(None, flags={"net.proxy": "http://other.example:3128"}, environ={})
    assert other.proxy_login is None


LOGIN = {"TRAWL_SITES__DANBOORU__LOGIN": "me", "TRAWL_SITES__DANBOORU__API_KEY": "secret"}


def test_a_workspace_may_not_redirect_a_site_with_a_login(workspace: Path) -> None:
    workspace_writes(workspace, "[sites.danbooru]\nbase_url = 'https://evil.example'")
    assert load(workspace, environ={}).site("danbooru", DANBOORU).credentials is None
    with pytest.raises(ConfigError, match="redirects danbooru") as error:
        load(workspace, environ=LOGIN)
    assert "--trust-workspace" in error.value.hint


def test_even_a_trusted_workspace_does_not_get_the_login(workspace: Path) -> None:
    workspace_writes(workspace, "[sites.danbooru]\nbase_url = 'https://evil.example'")
    found = load(workspace, environ=LOGIN, trust_workspace=True)
    assert found.site("danbooru", DANBOORU).credentials is None


def test_a_workspace_may_repeat_the_origin_a_login_is_bound_to(workspace: Path) -> None:
    credentials.store("danbooru", DANBOORU.base_url, Credentials("me", "secret"))
    workspace_writes(workspace, "[sites.danbooru]\nbase_url = 'https://danbooru.donmai.us/'")
    assert load(workspace, environ={}).site("danbooru", DANBOORU).credentials is not None


def test_a_login_of_the_environment_follows_the_users_own_base_url() -> None:
    environ = {**LOGIN, "TRAWL_SITES__DANBOORU__BASE_URL": "https://mirror.example"}
    site = load(None, environ=environ).site("danbooru", DANBOORU)
    assert site.credentials == Credentials("me", "secret")


def test_a_stored_login_goes_to_no_other_origin() -> None:
    credentials.store("danbooru", DANBOORU.base_url, Credentials("me", "secret"))
    found = load(None, environ={})
    assert found.site("danbooru", DANBOORU).credentials == Credentials("me", "secret")
    for url in ("http://danbooru.donmai.us", "https://danbooru.donmai.us:444"):
        moved = load(None, flags={"sites.danbooru.base_url": url}, environ={})
        assert moved.site("danbooru", DANBOORU).credentials is None


@pytest.mark.parametrize("option", ["login", "api_key"])
def test_logins_never_stand_in_a_settings_file(workspace: Path, option: str) -> None:
    workspace_writes(workspace, f"[sites.danbooru]\n{option} = 'secret'")
    with pytest.raises(ConfigError, match="never kept") as error:
        load(workspace, environ={})
    assert "trawl auth set danbooru" in error.value.hint


def test_no_secret_is_in_the_repr_of_settings() -> None:
    assert "secret" not in repr(load(None, environ=LOGIN))


def test_setting_a_value_keeps_comments_and_mode(workspace: Path) -> None:
    path = workspace / "trawl.toml"
    path.write_text("# mine\n[net]\nattempts = 3  # enough\n")
    path.chmod(0o640)
    settings.set_value(path, "net.max_wait", "2h")
    settings.set_value(path, "sites.danbooru.rate", "0.5")
    text = path.read_text()
    assert "# mine" in text
    assert "# enough" in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    found = load(workspace, environ={})
    assert (found.net.attempts, found.net.max_wait) == (3, 7200.0)
    assert found.site("danbooru", DANBOORU).rate == 0.5
    assert [child.name for child in workspace.iterdir()] == ["trawl.toml"]


def test_setting_a_list_can_be_read_again(workspace: Path) -> None:
    settings.set_value(settings.user_file(), "net.allow_hosts", "b:2,a:1")
    settings.set_value(settings.user_file(), "policy.allow", "comic")
    found = load(workspace, environ={})
    assert found.net.allow_hosts == {"a:1", "b:2"}
    assert found.policy["allow"] == ("comic",)


def test_a_wrong_value_is_not_written(workspace: Path) -> None:
    with pytest.raises(ConfigError):
        settings.set_value(workspace / "trawl.toml", "net.attempts", "many")
    assert not (workspace / "trawl.toml").exists()


def test_every_field_of_net_can_be_set() -> None:
    keys = {key for key, _ in load(None, environ={}).items()}
    assert {f"net.{name}" for name in Net.__dataclass_fields__} <= keys


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("20G", 20_000_000_000),
        ("0.9M", 900_000),
        ("1GiB", 2**30),
        ("1500", 1500),
        (".5k", 500),
        ("2 MB", 2_000_000),
        ("1.1M", 1_100_000),
        ("0", 0),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parsers.parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("1h30m", 5400), ("45s", 45), ("1d", 86400), ("2.5", 2.5)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parsers.parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "1X", "G", "1iB", "1e3", "0x10", True, 1.5, None])
def test_what_is_no_size(text: object) -> None:
    with pytest.raises(ValueError, match="takes a size"):
        parsers.parse_size(text)


@pytest.mark.parametrize("text", ["", "-1", "h", "1h2h", "2 h", "30m1h", "inf", True, None])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="takes a time"):
        parsers.parse_duration(text)


@given(st.integers(0, 10**6), st.sampled_from("kMGT"))
def test_a_unit_multiplies(count: int, unit: str) -> None:
    factor = 1000 ** ("kMGT".index(unit) + 1)
    assert parsers.parse_size(f"{count}{unit}") == count * factor
    assert parsers.parse_size(f"{count}{unit.lower()}B") == count * factor


@given(st.integers(0, 10**15))
def test_a_plain_count_is_itself(count: int) -> None:
    assert parsers.parse_size(str(count)) == parsers.parse_size(count) == count


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_a_duration_is_the_sum_of_its_parts(d: int, h: int, m: int, s: int) -> None:
    assert parsers.parse_duration(f"{d}d{h}h{m}m{s}s") == d * 86400 + h * 3600 + m * 60 + s


@given(st.text(), st.sampled_from([parsers.parse_size, parsers.parse_duration]))
def test_any_text_is_a_value_or_a_value_error(text: str, parse: parsers.Parser) -> None:
    with contextlib.suppress(ValueError):
        assert parse(text) >= 0
