"""SERVE: the webhook edge alone, the console alone, or both."""

from __future__ import annotations

import httpx2
import pytest

from service.errors import InvalidSettings
from service.settings import Part, Settings, read_settings
from service.store.shops.repository import ShopRepository
from tests.support.sender import Sender
from tests.support.shop import OPS_TOKEN
from tests.support.web_server import app_client

BOTH: frozenset[Part] = frozenset({"webhooks", "console"})


async def statuses(client: httpx2.AsyncClient) -> tuple[int, int, int]:
    """Of a webhook, of the console, and of the readiness that both have."""
    ops = {"Authorization": f"Bearer {OPS_TOKEN}"}
    return (
        (await Sender(client).deliver(b'{"id": 7}')).status_code,
        (await client.get("/ops/v1/shops", headers=ops)).status_code,
        (await client.get("/readyz")).status_code,
    )


@pytest.mark.parametrize(
    ("serve", "expected"),
    [
        pytest.param("", (200, 200, 200), id="both by default"),
        pytest.param("webhooks,console", (200, 200, 200), id="both"),
        pytest.param("webhooks", (200, 404, 200), id="the webhooks alone"),
        pytest.param("console", (404, 200, 200), id="the console alone"),
    ],
)
async def test_a_process_serves_what_it_is_asked_to(
    shops: ShopRepository, environ: dict[str, str], serve: str, expected: tuple[int, int, int]
) -> None:
    async with app_client(read_settings({**environ, "SERVE": serve})) as client:
        assert await statuses(client) == expected


def test_both_are_served_by_default(settings: Settings) -> None:
    assert settings.serve == BOTH


@pytest.mark.parametrize("serve", ["pages", "webhooks,pages", "webhooks console"])
def test_an_unknown_part_is_a_wrong_setting(serve: str) -> None:
    with pytest.raises(InvalidSettings, match="SERVE: name webhooks, console, or both"):
        read_settings({"SERVE": serve})
