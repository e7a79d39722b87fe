"""Logins, keys, cookies and signatures stay where they belong, whatever goes wrong.

Every secret here is a canary: a word that is nowhere else. Crawls meet every kind of trouble with
them set; afterwards all that was printed and all that was written is searched for them.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from crawler.demo.api import Account
from crawler.demo.faults import Action, Body, Fault, Headers, Html, Redirect, Reset, Spoil, Status
from crawler.demo.posts import World
from crawler.demo.site import DemoSite
from crawler.demo.world import REIMU
from tests.scenarios.conftest import Serve
from tests.scenarios.driver import Address, Done, Trawl
from tests.scenarios.outcome import catalog_bytes, outcome, rows
from tests.scenarios.worlds import file_of, reimu_posts, without

LOGIN, KEY = "canarylogin5d1f", "canarykey77b0c2e9"
PROXY_LOGIN, PROXY_KEY = "canaryproxy1c3a", "canarytunnel90aa41"
COOKIE, SIGNATURE = "canarycookie8e2d", "canarysignature4b6c"

ACCOUNT = Account(901, LOGIN, 20, "Member", KEY, 2, 1000)
SOON = {
    "TRAWL_NET__ATTEMPTS": "2",
    "TRAWL_NET__BREAKER_PATIENCE": "2",
    "TRAWL_NET__BREAKER_LONGEST": "0.1",
    "TRAWL_NET__COOLDOWN_FIRST": "0.1",
}
"""Settings that give trouble up soon."""
SECRETS = (LOGIN, KEY, PROXY_LOGIN, PROXY_KEY, COOKIE, SIGNATURE)
CRAWL = ("crawl", "danbooru", REIMU, "-w", "set", "--all")
IN_ENVIRONMENT = {"TRAWL_SITES__DANBOORU__LOGIN": LOGIN, "TRAWL_SITES__DANBOORU__API_KEY": KEY}
FOR_THE_PROXY = {
    "TRAWL_SITES__PROXY__LOGIN": PROXY_LOGIN,
    "TRAWL_SITES__PROXY__API_KEY": PROXY_KEY,
}


def forms(secret: str) -> set[bytes]:
    """What a secret looks like in a text, and within the header that carries it."""
    pairs = (f"{LOGIN}:{KEY}", f"{PROXY_LOGIN}:{PROXY_KEY}")
    whole = {base64.b64encode(p.encode()) for p in pairs if secret in p}
    return whole | {secret.encode(), secret.upper().encode(), secret.encode("utf-16-le")}


def found_in(data: bytes | str) -> set[str]:
    """The secrets that are somewhere in some bytes."""
    data = data.encode() if isinstance(data, str) else data
    return {secret for secret in SECRETS if any(form in data for form in forms(secret))}


def left_behind(home: Path) -> dict[str, set[str]]:
    """Every file below a folder that holds a secret, but for the one that is to hold it."""
    files = [p for p in home.rglob("*") if p.is_file() and p.name != "credentials.toml"]
    assert files
    found = {str(path.relative_to(home)): found_in(path.read_bytes()) for path in files}
    return {name: secrets for name, secrets in found.items() if secrets}


def said(done: Done) -> list[str]:
    """The lines a command has printed that hold a secret."""
    return [line for line in (done.out + done.err).splitlines() if found_in(line)]


@contextmanager
def closed_port() -> Iterator[int]:
    """A port of this machine that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        yield taken.getsockname()[1]


@dataclass
class Echo:
    """A server that refuses everything and says aloud what it was sent.

    With ``as_proxy`` it stands for a proxy, whatever way it is asked.
    """

    status: int
    as_proxy: bool = False
    heard: list[dict[str, str]] = field(default_factory=list)
    """The headers of every request, names in lower case."""

    def __enter__(self) -> Echo:
        echo = self

        class Refuse(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                told = {name.lower(): value for name, value in self.headers.items()}
                echo.heard.append(told)
                pair = told.get("authorization") or told.get("proxy-authorization") or " "
                words = f"you sent {pair}, {base64.b64decode(pair.partition(' ')[2]).decode()}"
                body = json.dumps({"success": False, "message": words, "error": words}).encode()
                self.send_response(echo.status, words)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Set-Cookie", f"session={COOKIE}; Path=/; theme={COOKIE}")
                self.send_header("X-Echo", words)
                self.end_headers()
                self.wfile.write(body)

            do_CONNECT = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Refuse)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def address(self) -> Address:
        host, port = self._server.server_address[:2]
        return Address(f"http://{host!s}:{port}", f"http://{host!s}:{port}")


@dataclass
class Watch:
    """Reads the command lines of a process and all it starts, for as long as it runs."""

    process: subprocess.Popen[str]
    seen: set[bytes] = field(default_factory=set)

    def __enter__(self) -> Watch:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.01):
            for folder in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError):  # it has ended meanwhile
                    # A process started here leads a session, which its children stay in.
                    if os.getsid(int(folder.name)) == self.process.pid:
                        self.seen.add((folder / "cmdline").read_bytes())


def keep_login(trawl: Trawl, site: str, login: str, key: str) -> Done:
    """``trawl auth set`` as a program uses it: login and key on standard input."""
    done = subprocess.run(
        [sys.executable, "-m", "crawler.cli.main", "auth", "set", site, "--debug"],
        cwd=trawl.home,
        env=trawl.environment,
        input=f"{login}\n{key}\n",
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return Done(done.returncode, done.stdout, done.stderr, 0.0)


def signed(url: str) -> str:
    return f"{url}?signature={SIGNATURE}&expires=1"


def in_trouble(site: DemoSite, world: World, closed: int) -> dict[str, int]:
    """Let many things go wrong at a site: what was done -> the post it was done to."""
    good = iter(reimu_posts(world))
    done: dict[str, int] = {}
    spoilt: dict[int, dict[str, str]] = {}
    faults = [
        Fault(Body(b'[{"id": 7'), match="/posts.json", nth=1),
        Fault(Status(500), match="/posts.json", nth=2),
    ]

    def file_fault(name: str, make: Callable[[str], Action]) -> None:
        post = next(good)
        done[name] = post.id
        faults.append(Fault(make(file_of(post)), match=file_of(post), query=""))

    def signed_url(name: str) -> str:
        post = next(good)
        done[name] = post.id
        url = json.dumps(signed(site.cdn_url + file_of(post)))
        spoilt[post.id] = {"file_url": url}
        return file_of(post)

    file_fault("401", lambda _: Status(401))
    file_fault("404", lambda _: Status(404))
    file_fault("500", lambda _: Status(500))
    file_fault("page", lambda _: Html())
    file_fault("reset", lambda _: Reset(0.3))
    file_fault("redirected", lambda path: Redirect(signed(path)))
    file_fault("redirected to the API", lambda path: Redirect(signed(site.base_url + path)))
    file_fault("redirected with a login", lambda _: Redirect(f"http://me:{SIGNATURE}@127.0.0.1/"))
    file_fault("redirected to nonsense", lambda _: Redirect(f"http://[{SIGNATURE}/?{SIGNATURE}"))
    file_fault("unreachable", lambda _: Redirect(signed(f"http://127.0.0.1:{closed}/")))
    faults.append(Fault(Status(410), match=signed_url("signed, gone"), query="signature*"))
    signed_url("signed")
    faults.append(Fault(Spoil(spoilt), match="/posts.json"))
    cookie = {"Set-Cookie": f"session={COOKIE}; Domain=127.0.0.1; Path=/"}
    faults.append(Fault(Headers(cookie)))
    site.course.plan = site.course.plan.also(faults)
    return done


LOOKS: tuple[tuple[str, ...], ...] = (
    ("config", "show", "--origin", "--json"),
    ("config", "show", "--origin"),
    ("config", "path"),
    ("auth", "list"),
    ("doctor",),
    ("doctor", "--json", "--online", "danbooru"),
    ("sources",),
    ("status", "--json", "-w", "set"),
    ("status", "--explain", "-w", "set"),
    ("query", "-w", "set"),
    ("query", "--format", "paths", "-w", "set"),
    ("stream", "-w", "set"),
    ("export", "kohya", "--layout", "kohya", "-w", "set", "--trigger", "reimu"),
    ("export", "folder", "--layout", "imagefolder", "-w", "set", "--json"),
    ("sheet", "sheet.jpg", "-w", "set"),
)
"""Everything else a person may look with, after a crawl."""


@pytest.fixture(scope="session")
def few(world: World) -> World:
    """A world of the main character's good posts alone."""
    good = {post.id for post in reimu_posts(world) if post.kind == "highres_solo"}
    return without(world, {post.id for post in world.posts} - good)


@pytest.mark.parametrize(
    ("kept", "transport", "debug"),
    [("environment", "aiohttp", ()), ("credentials file", "httpx", ("--debug",))],
)
def test_a_crawl_through_trouble_tells_no_secret(
    few: World, serve: Serve, tmp_path: Path, kept: str, transport: str, debug: tuple[str, ...]
) -> None:
    site = serve(few, accounts=(ACCOUNT,))
    with closed_port() as closed:
        posts = in_trouble(site, few, closed)
        allowed = f"{site.allow_hosts},127.0.0.1:{closed}"
        settings = {
            "TRAWL_NET__ALLOW_HOSTS": allowed,
            "TRAWL_NET__TRANSPORT": transport,
            **SOON,
            "PYTHONASYNCIODEBUG": "1",
            **(IN_ENVIRONMENT if kept == "environment" else {}),
        }
        trawl = Trawl(tmp_path, Address(site.base_url, site.cdn_url), settings)
        if kept == "credentials file":
            assert said(keep_login(trawl, "danbooru", LOGIN, KEY)) == []
        process = trawl.start(*CRAWL, "--debug", "--ndjson")
        with Watch(process) as watch:
            crawl = trawl.finish(process)
    assert crawl.code == 0, crawl.err
    assert said(crawl) == []
    assert "posts.json" in crawl.err  # there was a log, and it tells of requests
    assert len(watch.seen) >= 1
    assert found_in(b"\n".join(watch.seen)) == set()

    # The trouble has happened, the login was used, and only where it belongs.
    facts = outcome(tmp_path / "set").facts
    met = {name: facts[str(post)].ending for name, post in posts.items() if str(post) in facts}
    assert met["redirected"] == met["signed"] == ("accepted", None)
    assert met["401"] == ("failed", "http_401")
    assert met["signed, gone"] == ("accepted", None)  # by the fresh link of the post's own page
    assert met["unreachable"] == ("failed", "connect_failed")
    assert met["redirected with a login"] == ("failed", "bad_url")
    api, files = (url.removeprefix("http://") for url in (site.base_url, site.cdn_url))
    assert {e.authorization for e in site.ledger.requests(host=api)} == {True}
    assert {e.authorization for e in site.ledger.requests(host=files)} == {False}
    assert all("Cookie" not in e.headers and KEY not in e.query for e in site.ledger)

    # The catalog keeps the URL that the site gave; nothing keeps where it was redirected to.
    urls = rows(tmp_path / "set", "SELECT location FROM rungs WHERE location LIKE '%signature%'")
    assert len(urls) in (1, 2)
    assert {*left_behind(tmp_path)} <= {"set/catalog.db", "set/catalog.db-wal"}
    assert found_in(catalog_bytes(tmp_path / "set")) == {SIGNATURE}

    for words in LOOKS:
        look = trawl(*words, *debug, code=None)
        assert look.code in (0, 1), look.err
        assert said(look) == [], words
    assert {*left_behind(tmp_path)} <= {"set/catalog.db", "set/catalog.db-wal"}


API_TROUBLE: dict[str, Callable[[DemoSite, int], Action]] = {
    "403": lambda site, closed: Status(403),
    "404": lambda site, closed: Status(404),
    "500": lambda site, closed: Status(500),
    "challenge": lambda site, closed: Status(403, html=True),
    "web page": lambda site, closed: Html(),
    "cut JSON": lambda site, closed: Body(b'[{"id": 7, "tag_string'),
    "reset": lambda site, closed: Reset(),
    "foreign origin": lambda site, closed: Redirect(signed(f"{site.cdn_url}/posts.json")),
    "login in a redirect": lambda site, closed: Redirect(f"http://me:{SIGNATURE}@127.0.0.1/"),
    "nonsense": lambda site, closed: Redirect(f"http://[{SIGNATURE}]:{SIGNATURE}/"),
    "private address": lambda site, closed: Redirect(signed("http://10.0.0.1/posts.json")),
    "closed port": lambda site, closed: Redirect(signed(f"http://127.0.0.1:{closed}/posts.json")),
}


@pytest.mark.parametrize("trouble", API_TROUBLE)
def test_an_error_of_the_api_tells_no_secret(
    few: World, serve: Serve, tmp_path: Path, trouble: str
) -> None:
    site = serve(few, accounts=(ACCOUNT,))
    with closed_port() as closed:
        action = API_TROUBLE[trouble](site, closed)
        faults = [Fault(action, match="/posts.json"), Fault(action, match="/posts/*")]
        site.course.plan = site.course.plan.also(faults)
        settings = {
            **IN_ENVIRONMENT,
            "TRAWL_NET__ALLOW_HOSTS": f"{site.allow_hosts},127.0.0.1:{closed}",
            **SOON,
        }
        trawl = Trawl(tmp_path, Address(site.base_url, site.cdn_url), settings)
        process = trawl.start(*CRAWL, "--debug", "--ndjson")
        done = trawl.finish(process)
    assert done.code in (4, 5), done.err
    assert said(done) == []
    assert left_behind(tmp_path) == {}
    files = site.cdn_url.removeprefix("http://")
    assert not any(e.authorization for e in site.ledger.requests(host=files))
    if trouble == "foreign origin":
        assert len(site.ledger.requests("/posts.json", files)) >= 1


def test_a_login_that_the_site_refuses_is_not_told(
    few: World, serve: Serve, tmp_path: Path
) -> None:
    site = serve(few)
    trawl = Trawl(tmp_path, Address(site.base_url, site.cdn_url), IN_ENVIRONMENT)
    done = trawl.finish(trawl.start(*CRAWL, "--debug"))
    assert done.code == 5
    assert "refuses the login or API key" in done.err
    assert said(done) == []
    assert left_behind(tmp_path) == {}


@pytest.mark.parametrize("status", [401, 403, 422, 500])
def test_a_site_that_says_aloud_what_it_was_sent_is_not_repeated(
    tmp_path: Path, status: int
) -> None:
    with Echo(status) as echo:
        settings = {**IN_ENVIRONMENT, **SOON}
        trawl = Trawl(tmp_path, echo.address, settings)
        done = trawl.finish(trawl.start(*CRAWL, "--debug"))
        online = trawl("doctor", "--online", "danbooru", code=None)
    assert done.code in (2, 5), done.err
    assert echo.heard
    assert all("authorization" in headers for headers in echo.heard)
    assert not any("cookie" in headers for headers in echo.heard)
    assert said(done) == said(online) == []
    assert left_behind(tmp_path) == {}


@pytest.mark.parametrize("refusal", ["407", "403", "502", "closed port"])
def test_a_proxy_that_refuses_does_not_make_us_tell_its_login(
    few: World, serve: Serve, tmp_path: Path, refusal: str
) -> None:
    site = serve(few, accounts=(ACCOUNT,))
    with closed_port() as closed, Echo(int(refusal) if refusal.isdigit() else 500) as echo:
        proxy = f"http://127.0.0.1:{closed}" if refusal == "closed port" else echo.address.base_url
        settings = {
            **IN_ENVIRONMENT,
            **FOR_THE_PROXY,
            "TRAWL_NET__PROXY": proxy,
            "TRAWL_NET__ALLOW_HOSTS": f"{site.allow_hosts},{proxy.removeprefix('http://')}",
            **SOON,
        }
        trawl = Trawl(tmp_path, Address(site.base_url, site.cdn_url), settings)
        done = trawl.finish(trawl.start(*CRAWL, "--debug"))
    assert done.code == (4 if refusal == "407" else 5), done.err
    assert "the proxy 127.0.0.1" in done.err
    assert said(done) == []
    assert left_behind(tmp_path) == {}
    assert len(site.ledger) == 0  # nothing went round the proxy
    if refusal != "closed port":
        assert any("proxy-authorization" in headers for headers in echo.heard)
        assert not any("authorization" in headers for headers in echo.heard)


def test_the_login_of_a_site_is_of_no_use_to_another_one(
    few: World, serve: Serve, tmp_path: Path
) -> None:
    site = serve(few, accounts=(ACCOUNT,))
    settings = {
        "TRAWL_SITES__DANBOORU__BASE_URL": "https://danbooru.donmai.us",
        "TRAWL_NET__ALLOW_HOSTS": site.allow_hosts,
    }
    keep_login(Trawl(tmp_path, None, settings), "danbooru", LOGIN, KEY)
    trawl = Trawl(tmp_path, Address(site.base_url, site.cdn_url))
    done = trawl(*CRAWL, "--debug")
    assert said(done) == []
    assert not any(e.authorization for e in site.ledger)
