"""The second refusal in a row closes a connection, and a signed webhook starts the count again, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from service.settings import Settings
from service.store.shops.repository import ShopRepository
from tests.support.http_client import BODY, talk, webhook
from tests.support.shop import OPS_TOKEN
from tests.support.web_server import serving

UNSIGNED = webhook(signed="")
KNOWN = f"Authorization: Bearer {OPS_TOKEN}"


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *headers]).encode() + b"\r\n\r\n"


@pytest.fixture
async def port(shops: ShopRepository, settings: Settings) -> AsyncIterator[int]:
    async with serving(settings) as server:
        yield server.port


@pytest.mark.parametrize(
    "refused",
    [
        pytest.param(UNSIGNED, id="no signature"),
        pytest.param(webhook(signed="A" * 43 + "="), id="a wrong signature"),
        pytest.param(webhook(BODY, "Content-Encoding: gzip"), id="a packed body"),
        pytest.param(webhook(start="PUT /webhooks/haravan HTTP/1.1"), id="a wrong method"),
        pytest.param(get("/webhooks/haravan?hub.mode=subscribe"), id="a wrong verify token"),
        pytest.param(get("/ops/openapi.json"), id="no ops token"),
        pytest.param(get("/unknown"), id="an unknown path"),
    ],
)
async def test_the_second_refusal_in_a_row_closes_the_connection(port: int, refused: bytes) -> None:
    first, second = await talk(port, refused * 10, answers=2)

    assert "connection" not in first.headers
    assert second.headers["connection"] == "close"


async def test_an_open_path_between_two_refusals_does_not_start_the_count_again(port: int) -> None:
    *_, last = await talk(port, UNSIGNED + get("/healthz") + UNSIGNED, answers=3)

    assert (last.status, last.headers["connection"]) == (401, "close")


async def test_signed_webhooks_keep_their_connection_beside_those_of_an_unknown_client(port: int) -> None:
    """As a reverse proxy sends them."""
    answers = await talk(port, *[UNSIGNED + webhook()] * 3, answers=6)

    assert [answer.status for answer in answers] == [401, 200] * 3
    assert not any("connection" in answer.headers for answer in answers)


async def test_a_client_with_a_token_keeps_its_connection_whatever_it_asks_for(port: int) -> None:
    answers = await talk(port, get("/ops/v1/shops/404", KNOWN) * 3, answers=3)

    assert [answer.status for answer in answers] == [404] * 3
    assert not any("connection" in answer.headers for answer in answers)
