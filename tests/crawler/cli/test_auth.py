"""``trawl auth`` takes keys without showing them, and never gives one back."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import pytest

from crawler import credentials
from crawler.site import Credentials
from tests.crawler.cli.conftest import Trawl


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_a_key_from_standard_input_is_kept_and_never_shown(
    trawl: Trawl, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "very-secret\n")
    result = trawl("auth", "set", "danbooru", "--login", "my-own-login")
    assert result.code == 0
    path = home / "trawl" / "credentials.toml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "https://danbooru.donmai.us alone" in result.out
    listed = trawl("auth", "list").out
    assert listed.splitlines()[1].split()[:3] == ["danbooru", "m…", "https://danbooru.donmai.us"]
    shown = trawl("config", "show", "--origin").out
    for text in (result.out, result.err, listed, shown):
        assert "very-secret" not in text
        assert "my-own-login" not in text


def test_login_and_key_may_both_be_read(trawl: Trawl, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "me\nvery-secret\n")
    assert trawl("auth", "set", "danbooru").code == 0
    assert "m…" in trawl("auth", "list").out
    assert credentials.read({})["danbooru"].credentials == Credentials("me", "very-secret")


def test_a_key_on_the_command_line_is_refused_and_not_repeated(
    trawl: Trawl, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "me\nvery-secret\n")
    for words in (["very-secret"], ["--api-key", "very-secret"], ["--api-key=very-secret"]):
        result = trawl("auth", "set", "danbooru", *words, "--debug")
        assert result.code == 2
        assert "very-secret" not in result.out + result.err
    assert trawl("auth", "list").out == "no logins are kept\n"


def test_a_removed_login_is_forgotten(trawl: Trawl, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "me\nvery-secret\n")
    trawl("auth", "set", "danbooru")
    assert trawl("auth", "remove", "danbooru").code == 0
    assert trawl("auth", "list").out == "no logins are kept\n"
    assert trawl("auth", "remove", "danbooru").code == 2


@pytest.mark.parametrize("text", ["", "me\n", "me\n\n"])
def test_half_a_login_is_not_kept(trawl: Trawl, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    typed(monkeypatch, text)
    assert trawl("auth", "set", "danbooru").code == 2
    assert trawl("auth", "list").out == "no logins are kept\n"


def test_a_local_source_takes_no_login(trawl: Trawl) -> None:
    result = trawl("auth", "set", "folder", "--login", "me")
    assert result.code == 2
    assert "takes no login" in result.err


def test_a_workspace_does_not_choose_where_a_new_login_goes(
    trawl: Trawl, empty_workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty_workspace / "trawl.toml").write_text(
        "[sites.danbooru]\nbase_url = 'https://evil.example'"
    )
    monkeypatch.chdir(empty_workspace)
    typed(monkeypatch, "me\nvery-secret\n")
    assert "https://danbooru.donmai.us alone" in trawl("auth", "set", "danbooru").out
