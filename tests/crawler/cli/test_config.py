"""``trawl config`` shows what is in force and where it is from, and writes what is checked."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from crawler.demo.site import DemoSite
from tests.crawler.cli.conftest import Spawn, Trawl


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


@pytest.mark.parametrize(
    ("key", "value"), [("net.allow_hosts", "10.0.0.1:80"), ("net.proxy", "http://p.example:8080")]
)
def test_a_workspace_file_is_not_told_what_it_is_not_trusted_with(
    trawl: Trawl, tmp_path: Path, key: str, value: str
) -> None:
    result = trawl("config", "set", "-w", tmp_path, key, value)
    assert result.code == 2
    assert "set it without -w" in result.err
    assert not (tmp_path / "trawl.toml").exists()


def test_a_proxy_is_set_for_oneself_and_shown_with_its_origin(trawl: Trawl) -> None:
    assert trawl("config", "set", "net.proxy", "http://proxy.example:8080/").code == 0
    assert trawl("config", "set", "net.transport", "httpx").code == 0
    shown = trawl("config", "show", "--origin").out
    assert 'net.proxy = "http://proxy.example:8080"  # user file ' in shown
    assert 'net.transport = "httpx"  # user file ' in shown


CANARY = "canary-a1b2c3d4e5f6"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("net.proxy", f"http://me:{CANARY}@proxy.example:8080"),
        ("net.proxy", f"socks5://me:{CANARY}@proxy.example:1080"),
        ("net.proxy", f"http://me:{CANARY}"),
        ("sites.danbooru.base_url", f"https://me:{CANARY}@danbooru.donmai.us"),
        ("sites.danbooru.base_url", f"https://danbooru.donmai.us?api_key={CANARY}"),
        ("sites.danbooru.base_url", f"https://me:{CANARY}/danbooru"),
        ("sites.danbooru.base_url", f"https://[{CANARY}/"),
        ("sites.danbooru.api_key", CANARY),
        ("sites.danbooru.password", CANARY),
        ("sites.danbooru.adapter", CANARY),
        ("sites.danbooru.rate", CANARY),
        ("net.cookie", CANARY),
        ("net.attempts", CANARY),
        ("net.transport", CANARY),
        ("net.contact", f"session=({CANARY})"),
        ("net.allow_hosts", CANARY),
        ("limits.min_free", CANARY),
        ("policy.content.ratings", CANARY),
        ("policy.resolution.min_side", CANARY),
        (f"https://me:{CANARY}@danbooru.donmai.us", "x"),
        (f"net.cookie={CANARY}", "x"),
    ],
)
@pytest.mark.parametrize("debug", [(), ("--debug",)], ids=["plain", "debug"])
def test_what_is_refused_is_not_repeated(
    trawl: Trawl, home: Path, key: str, value: str, debug: tuple[str, ...]
) -> None:
    result = trawl("config", "set", key, value, *debug)
    assert result.code == 4
    assert "[E_CONFIG]" in result.err
    assert CANARY not in result.out + result.err
    assert not (home / "trawl" / "config.toml").exists()


@pytest.mark.parametrize(
    ("key", "command"),
    [("net.proxy", "trawl auth set proxy"), ("sites.danbooru.base_url", "trawl auth set danbooru")],
)
def test_a_login_in_a_url_is_told_where_it_belongs(trawl: Trawl, key: str, command: str) -> None:
    result = trawl("config", "set", key, f"http://me:{CANARY}@host.example:8080")
    assert command in result.err


@pytest.mark.parametrize(
    "text",
    [
        f"[net]\ncookie = '{CANARY}'",
        f"[net.headers]\nCookie = 'session={CANARY}'",
        f"[[sites]]\nname = 'danbooru'\napi_key = '{CANARY}'",
        f"[sites.danbooru]\napi_key = '{CANARY}'",
        f"[sites.danbooru]\nheaders = ['{CANARY}']",
        f"[net]\nproxy = 'http://me:{CANARY}@proxy.example:8080'",
        f"[net]\nallow_hosts = ['{CANARY}']",
        f"[policy.content]\nratings = ['{CANARY}']",
        f"[policy.resolution]\nmin_side = '{CANARY}'",
        f"api_key = {CANARY}",
        f"[net]\ncontact = '{CANARY}",
        f"[net]\n{CANARY}",
        f'[net]\ncontact = "\\{CANARY}"',
        f"cookie = '{CANARY}'\ncookie = '{CANARY}'",
    ],
)
@pytest.mark.parametrize("whose", ["user", "workspace"])
def test_no_mistake_in_a_settings_file_repeats_what_is_in_it(
    trawl: Trawl, home: Path, empty_workspace: Path, text: str, whose: str
) -> None:
    user = home / "trawl" / "config.toml"
    path = user if whose == "user" else empty_workspace / "trawl.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    for words in (("config", "show"), ("doctor",), ("status", "--json")):
        result = trawl(*words, "-w", empty_workspace, "--debug")
        assert CANARY not in result.out + result.err
        assert words[0] != "config" or (result.code == 4 and str(path) in result.err)
    more = [] if whose == "user" else ["-w", empty_workspace]
    changed = trawl("config", "set", "net.attempts", "3", *more, "--debug")
    assert CANARY not in changed.out + changed.err


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TRAWL_NET__PROXY", f"http://me:{CANARY}@proxy.example:8080"),
        ("TRAWL_NET__COOKIE", f"session={CANARY}"),
        ("TRAWL_NET__ALLOW_HOSTS", f"me:{CANARY}@127.0.0.1"),
        ("TRAWL_SITES__DANBOORU__BASE_URL", f"https://me:{CANARY}@danbooru.donmai.us"),
        ("TRAWL_SITES__DANBOORU__PASSWORD", CANARY),
        ("TRAWL_SITES__DANBOORU__API_KEY", CANARY),
        ("TRAWL_SITES__DANBOORU__API_KEY__", CANARY),
        ("TRAWL_API_KEY", CANARY),
    ],
)
def test_no_mistake_in_the_environment_repeats_it(
    trawl: Trawl, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    for words in (("config", "show"), ("crawl", "danbooru", "reimu"), ("doctor",)):
        result = trawl(*words, "--debug")
        assert result.code == (1 if words == ("doctor",) else 4)
        assert CANARY not in result.out + result.err


@pytest.mark.parametrize(
    "words", [("--set", f"api_key={CANARY}"), ("--option", CANARY), (f"--api-key={CANARY}",)]
)
def test_no_mistake_in_a_flag_repeats_it(trawl: Trawl, words: tuple[str, ...]) -> None:
    result = trawl("crawl", "danbooru", "reimu", *words, "--debug")
    assert result.code == 2
    assert CANARY not in result.out + result.err


@pytest.mark.parametrize(
    "contact",
    [
        "Mozilla/5.0 AppleWebKit/537.36 Chrome/120.0 Safari/537.36",
        "Gecko/20100101 Firefox/121.0 me@example.org",
        "curl/8.5.0",
    ],
)
def test_a_disguise_is_refused_before_any_request(
    spawn: Spawn, site: DemoSite, contact: str
) -> None:
    asked = len(site.ledger)
    environment = {**os.environ, "TRAWL_NET__CONTACT": contact}
    for words in (["crawl", "danbooru", "hakurei_reimu"], ["doctor", "--online", "danbooru"]):
        process = spawn(*words, env=environment)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 4
        (line,) = err.splitlines()
        assert "net.contact takes your own mail address, URL or user id" in line
        assert line.endswith("(environment TRAWL_NET__CONTACT) [E_CONFIG]")
    assert len(site.ledger) == asked


def test_a_broken_settings_file_is_exit_4_and_named(trawl: Trawl, empty_workspace: Path) -> None:
    (empty_workspace / "trawl.toml").write_text("[net]\ncontakt = 1")
    result = trawl("config", "show", "-w", empty_workspace)
    assert result.code == 4
    assert str(empty_workspace / "trawl.toml") in result.err
    assert "did you mean net.contact" in result.err
