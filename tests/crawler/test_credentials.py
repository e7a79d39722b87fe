"""Logins are kept for their owner alone, bound to an origin, and never shown."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from crawler import credentials
from crawler.credentials import origin_of
from crawler.errors import ConfigError
from crawler.site import Credentials

LOGIN = Credentials("me", "very-secret")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))


def test_a_stored_login_comes_back_with_its_origin() -> None:
    path = credentials.store("danbooru", "https://Danbooru.Donmai.us:443/posts", LOGIN)
    found = credentials.read({})["danbooru"]
    assert found.credentials == LOGIN
    assert found.origin == "https://danbooru.donmai.us"
    assert found.source == str(path)


def test_the_file_is_readable_by_its_owner_alone() -> None:
    path = credentials.store("danbooru", "https://danbooru.donmai.us", LOGIN)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    credentials.store("other", "https://other.example", LOGIN)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(credentials.read({})) == {"danbooru", "other"}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused(mode: int) -> None:
    path = credentials.store("danbooru", "https://danbooru.donmai.us", LOGIN)
    path.chmod(mode)
    with pytest.raises(ConfigError, match="can be read by others") as error:
        credentials.read({})
    assert error.value.hint == f"chmod 600 {path}"


def test_a_removed_login_is_gone() -> None:
    path = credentials.store("danbooru", "https://danbooru.donmai.us", LOGIN)
    assert credentials.remove("danbooru")
    assert not credentials.remove("danbooru")
    assert credentials.read({}) == {}
    assert "very-secret" not in path.read_text()


def test_the_environment_wins_over_the_file() -> None:
    credentials.store("danbooru", "https://danbooru.donmai.us", LOGIN)
    environ = {"TRAWL_SITES__DANBOORU__LOGIN": "you", "TRAWL_SITES__DANBOORU__API_KEY": "key"}
    assert credentials.read(environ)["danbooru"].credentials == Credentials("you", "key")


@pytest.mark.parametrize("name", ["LOGIN", "API_KEY"])
def test_half_a_login_names_the_missing_variable(name: str) -> None:
    with pytest.raises(ConfigError) as error:
        credentials.read({f"TRAWL_SITES__DANBOORU__{name}": "x"})
    other = {"LOGIN": "API_KEY", "API_KEY": "LOGIN"}[name]
    assert f"TRAWL_SITES__DANBOORU__{other}" in error.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "[danbooru]\nlogin = 'me'\n",
        "danbooru = 3\n",
        "[danbooru\n",
        "[danbooru]\norigin = 'https://a.example'\nlogin = 'me'\napi_key = 12345678\n",
        "[danbooru]\norigin = 'https://a.example'\nlogin = 'me'\napi_key = ''\n",
        "[danbooru]\nlogin = 'me'\napi_key = 'very-secret'\ncookie = 'very-secret'\n",
        "[danbooru]\napi_key = very-secret\n",
    ],
)
def test_a_file_with_something_else_in_it_is_an_error(text: str) -> None:
    path = credentials.credentials_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError) as error:
        credentials.read({})
    assert str(path) in error.value.message
    assert "very-secret" not in f"{error.value!r} {error.value.hint} {error.value.__cause__}"


def test_no_key_is_in_any_repr() -> None:
    credentials.store("danbooru", "https://danbooru.donmai.us", LOGIN)
    assert "very-secret" not in repr(credentials.read({}))


@pytest.mark.parametrize(
    "text",
    [
        'invalid key "very-secret"',
        "Authorization: Basic bWU6dmVyeS1zZWNyZXQ=",
        "/posts.json?login=me&api_key=very-secret&limit=1",
        "very-secret",
    ],
)
def test_what_others_say_is_told_without_the_login(text: str) -> None:
    told = credentials.redacted(text, [LOGIN])
    assert "very-secret" not in told
    assert "bWU6dmVyeS1zZWNyZXQ=" not in told
    assert "***" in told


def test_a_key_is_recognised_as_a_url_holds_it() -> None:
    login = Credentials("me@example.org", "a/b+c d")
    for form in ("a%2Fb%2Bc%20d", "a%2Fb%2Bc+d", "a/b+c d", "me%40example.org"):
        assert credentials.redacted(f"x={form}&y", [login]) == "x=***&y"


def test_only_whole_words_are_taken_for_a_login() -> None:
    told = credentials.redacted("the name of me, home, is me", [LOGIN])
    assert told == "the name of ***, home, is ***"
    assert credentials.redacted("nothing to hide", []) == "nothing to hide"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://a.example/x?y", "https://a.example"),
        ("HTTPS://A.example:443", "https://a.example"),
        ("http://a.example:443", "http://a.example:443"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
    ],
)
def test_origins(url: str, origin: str) -> None:
    assert origin_of(url) == origin
