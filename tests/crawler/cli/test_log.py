"""The log tells every step and no secret, whoever wrote the line."""

from __future__ import annotations

import logging
import sys

import pytest

from crawler.cli.log import Redacting, logged
from crawler.site import Credentials

LOGIN = Credentials("me-at-site", "very-secret-key")


def line(message: str, *values: object) -> str:
    record = logging.LogRecord("x", logging.DEBUG, "", 0, message, values, None)
    return Redacting("%(message)s", logins=lambda: [LOGIN]).format(record)


@pytest.mark.parametrize(
    "message",
    [
        "GET https://a.example/f.png?sig=very-secret&x=1 200",
        "GET /f.png?X-Amz-Signature=very-secret HTTP/1.1",
        "to http://me:very-secret@proxy.example:3128/",
        "headers=[(b'Location', b'https://[very-secret/?very-secret'), (b'Age', b'0')]",
        "headers=[(b'Set-Cookie', b'session=very-secret; Path=/; theme=very-secret')]",
        "Cookie: a=1; b=very-secret",
        "{'Authorization': 'Basic dmVyeS1zZWNyZXQ='} very-secret-key",
        "(b'Proxy-Authorization', b'Basic very-secret')",
        "api_key=very-secret&login=very-secret",
        '{"password": "very-secret", "token":"very-secret"}',
    ],
)
def test_what_may_be_a_secret_is_taken_out(message: str) -> None:
    assert "very-secret" not in line(message)
    assert "***" in line(message)


def test_the_logins_in_use_are_known_in_every_form() -> None:
    told = line(
        "%s and %r and %s", "me-at-site", LOGIN.api_key, "bWUtYXQtc2l0ZTp2ZXJ5LXNlY3JldC1rZXk="
    )
    assert told == "*** and '***' and ***"


@pytest.mark.parametrize(
    "message",
    [
        "GET https://a.example/posts.json: 200",
        "asked for a login, which there is none of",
        "is it well? yes",
        "connect_tcp.started host='a.example' port=443",
    ],
)
def test_all_else_is_told_as_it_is(message: str) -> None:
    assert line(message) == message


def test_a_traceback_is_told_without_secrets() -> None:
    try:
        raise ValueError("https://a.example/?key=very-secret")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "broke", (), sys.exc_info())
    told = Redacting("%(message)s").format(record)
    assert "Traceback" in told
    assert "ValueError: https://a.example/?***" in told


def test_warnings_are_always_told_and_steps_only_if_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = logging.getLogger("somebody.else")
    with logged(everything=False):
        log.debug("a step")
        log.warning("trouble at http://a.example/?key=very-secret")
    assert capsys.readouterr().err == "trouble at http://a.example/?***\n"
    with logged(everything=True):
        log.debug("a step")
    assert capsys.readouterr().err.endswith("D somebody.else: a step\n")
    assert not any(isinstance(h.formatter, Redacting) for h in logging.getLogger().handlers)
