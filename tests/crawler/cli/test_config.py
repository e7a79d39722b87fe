"""``trawl config`` shows what is in force and where it is from, and writes what is checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.crawler.cli.conftest import Trawl


def test_show_prints_every_value_and_its_origin(
    trawl: Trawl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAWL_NET__CONTACT", "me@example.org")
    lines = trawl("config", "show", "--origin").out.splitlines()
    assert 'net.contact = "me@example.org"  # environment TRAWL_NET__CONTACT' in lines
    assert "net.attempts = 4  # default" in lines
    assert "limits.min_free = unset  # default" in lines
    assert "net.attempts = 4" in trawl("config", "show").out.splitlines()
    document = json.loads(trawl("config", "show", "--json").out)
    assert document["net.contact"]["origin"] == "environment TRAWL_NET__CONTACT"


def test_set_writes_the_users_file(trawl: Trawl, home: Path) -> None:
    result = trawl("config", "set", "net.contact", "me@example.org")
    assert (result.code, result.err) == (0, "")
    path = home / "trawl" / "config.toml"
    assert f"net.contact is set in {path}" in result.out
    assert f"user file {path}" in trawl("config", "show", "--origin").out


def test_set_with_a_workspace_writes_its_file(trawl: Trawl, tmp_path: Path) -> None:
    assert trawl("config", "set", "-w", tmp_path / "ws", "storage.rejected_budget", "5G").code == 0
    assert "rejected_budget = 5000000000" in (tmp_path / "ws" / "trawl.toml").read_text()
    assert "(not there)" not in trawl("config", "path", "-w", tmp_path / "ws").out.splitlines()[0]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("net.contcat", "x", "net.contact"),
        ("net.attempts", "many", "whole number"),
        ("sites.danbooru.api_key", "x", "trawl auth set danbooru"),
    ],
)
def test_a_wrong_setting_is_exit_4(trawl: Trawl, key: str, value: str, said: str) -> None:
    result = trawl("config", "set", key, value)
    assert result.code == 4
    assert said in result.err
    assert "[E_CONFIG]" in result.err


def test_a_workspace_file_cannot_be_told_to_open_private_hosts(
    trawl: Trawl, tmp_path: Path
) -> None:
    result = trawl("config", "set", "-w", tmp_path, "net.allow_hosts", "10.0.0.1:80")
    assert result.code == 2
    assert not (tmp_path / "trawl.toml").exists()


def test_a_broken_settings_file_is_exit_4_and_named(trawl: Trawl, empty_workspace: Path) -> None:
    (empty_workspace / "trawl.toml").write_text("[net]\ncontakt = 1")
    result = trawl("config", "show", "-w", empty_workspace)
    assert result.code == 4
    assert str(empty_workspace / "trawl.toml") in result.err
    assert "did you mean net.contact" in result.err
