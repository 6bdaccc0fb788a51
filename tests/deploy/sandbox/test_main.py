"""The program: its settings for the service, its subscription, and what it says if it cannot start."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from deploy.cli.app import build_app
from deploy.sandbox import Refused, ShopHandle, run
from deploy.sandbox.__main__ import app, settings_of
from service.settings import read_settings


async def _subscribed(receiver: Any, lines: list[str]) -> tuple[ShopHandle, asyncio.Task[None]]:
    """The running program's shop, once it has reported that it subscribed."""
    shops: list[ShopHandle] = []
    program = asyncio.create_task(
        run(
            port=0,
            customers=1,
            webhook_url=receiver.url,
            verify_token="verify-1",
            on_start=lambda _, shop: shops.append(shop),
            report=lines.append,
        )
    )
    while not any("Subscribed" in line for line in lines):
        await asyncio.sleep(0.01)
        if lines and not receiver.challenge:
            receiver.challenge = True  # from now on the receiver answers the handshake
    return shops[0], program


@pytest.mark.parametrize("answers_at_once", [True, False])
async def test_the_address_is_subscribed_once_it_answers_the_handshake(
    receiver: Any, answers_at_once: bool
) -> None:
    receiver.challenge = answers_at_once
    lines: list[str] = []

    shop, program = await _subscribed(receiver, lines)

    assert {query["hub.verify_token"] for query in receiver.handshakes} == {"verify-1"}
    assert {entry["url"] for entry in shop.subscriptions} == {receiver.url}
    assert [line for line in lines if "challenge was not echoed" in line] == lines[:-1]
    program.cancel()
    await asyncio.gather(program, return_exceptions=True)


async def test_the_printed_settings_are_those_of_the_service(sandbox: Any, shop: ShopHandle) -> None:
    shop.app(verify_token="verify-1")
    lines = settings_of("http://127.0.0.1:8800", shop)
    environ = dict(line.split("=", 1) for line in lines)

    settings = read_settings(environ | {"SECRET_KEY": "0123456789abcdef" * 4})

    assert (settings.org_id, settings.access_token) == (shop.org, shop.token)
    assert (settings.webhook_secrets, settings.verify_token) == ((shop.secret,), "verify-1")
    assert settings.api_url == "http://127.0.0.1:8800/com"


def test_a_taken_port_is_named_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(app, ["--port", str(port)])

    words = " ".join(result.output.split())
    assert result.exit_code == 2
    assert f"127.0.0.1:{port}" in words
    assert f"--port {port + 1}" in words


def test_a_file_that_is_no_state_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("{}")

    result = CliRunner().invoke(app, ["--port", "0", "--state", str(path)])

    assert result.exit_code == 2
    assert "is not a state file" in " ".join(result.output.replace("│", " ").split())


def test_the_command_of_the_service_has_every_option() -> None:
    shown = CliRunner().invoke(build_app(), ["sandbox", "--help"]).output
    options = [option for parameter in get_command(app).params for option in parameter.opts]

    assert "--verify-token" in options
    assert [option for option in options if option not in shown] == []


async def test_customers_beyond_its_size_are_refused() -> None:
    with pytest.raises(Refused, match="from 0 to 200000"):
        await run(port=0, customers=200_001)
