"""A command that fails prints one message and exits with a code."""

from __future__ import annotations

import pytest

from deploy.cli.exit_codes import error_message
from service.errors import TokenRejected
from service.sentence import Sentence
from tests.deploy.cli.environment import (
    ORG,
    CliEnvironment,
)

FAILURES: list[tuple[str, tuple[str, ...], dict[str, str], int, str]] = [
    ("a shop that is not there", ("rules", "show", "7"), {}, 1, "there is no shop 7"),
    ("an org with letters", ("shops", "pause", "abc"), {}, 2, "only digits"),
    ("an id with letters", ("customers", "get", ORG, "x"), {}, 2, "not a customer id"),
    ("a time that cannot be read", ("deliveries", ORG, "--since", "gestern"), {}, 2, "is not a time"),
    ("a field that does not exist", ("rules", "values", ORG, "provinc"), {}, 2, "did you mean 'province'?"),
    ("an unknown command", ("tags",), {}, 2, "No such command"),
    ("a setting that is wrong", ("shops", "list"), {"PORT": "x"}, 2, "PORT: a whole number"),
    (
        "Redis that does not answer",
        ("shops", "list"),
        {"REDIS_URL": "redis://127.0.0.1:1/0"},
        3,
        "does not answer",
    ),
    ("a file that is not there", ("rules", "check", "no.yaml"), {}, 1, "there is no file no.yaml"),
    ("no settings file", ("--env-file", "no.env", "shops", "list"), {}, 2, "there is no settings file"),
]


@pytest.mark.parametrize(
    ("words", "environ", "code", "message"), [row[1:] for row in FAILURES], ids=[row[0] for row in FAILURES]
)
async def test_a_failure_is_one_message_and_a_code(
    environment: CliEnvironment,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    environ: dict[str, str],
    code: int,
    message: str,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    result = await environment.tagger(*words)

    assert result.code == code
    assert message in result.err
    assert "Traceback" not in result.err


def test_a_rejected_token_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGGER_LANG", "en")
    error = TokenRejected(
        Sentence("{endpoint} answered {status}", endpoint="GET shop", status=401), status=401
    )

    assert error_message(error) == (
        "Haravan rejects the token: GET shop answered 401. `tagger doctor` says what to do"
    )
