"""The web process: what it serves, what it logs, and that nothing secret or personal leaves it."""

from __future__ import annotations

import json
import random

import httpx2
import pytest
from structlog.testing import capture_logs

from deploy.local.wait import until
from service.errors import InvalidSettings
from service.settings import Part, Settings, read_settings
from service.store.client import RedisClient
from service.store.shops.repository import ShopRepository
from tests.support.sender import PATH, Sender, signature
from tests.support.shop import APP_SECRET, KEY, OPS_TOKEN, ORG, OWN_SECRET
from tests.support.web_server import app_client
from tests.web.conftest import client, environ, settings, shops

__all__ = ["client", "environ", "settings", "shops"]  # fixtures

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
async def test_a_process_serves_the_parts_of_its_setting(
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


CANARIES = (APP_SECRET, OWN_SECRET, OPS_TOKEN, KEY, "a-verify-token", "canary@example.com", "0900000001", "Chim Hoàng Yến")  # fmt: skip


async def test_random_requests_never_cause_a_500(client: httpx2.AsyncClient) -> None:
    rng = random.Random(7)
    names = ["X-Haravan-Topic", "X-Haravan-Org-Id", "X-Haravan-HmacSha256", "X-Haravan-Hmac-Sha256", "X-Haravan-Test", "Haravan-Shop-Domain"]  # fmt: skip
    seen: set[int] = set()
    for _ in range(300):
        body = rng.choice(
            [rng.randbytes(rng.randrange(60)), b'{"id": 7}', b'{"customer": {"id": "x"}}', b"[]"]
        )
        headers = {name: rng.randbytes(rng.randrange(50)).hex() for name in names if rng.random() < 0.5}
        if rng.random() < 0.5:
            headers["X-Haravan-HmacSha256"] = signature(body)
        if rng.random() < 0.5:
            headers["X-Haravan-Org-Id"] = ORG
        seen.add((await client.post(PATH, content=body, headers=headers)).status_code)

    assert seen == {200, 401, 415}  # 415: no text in any encoding


async def test_no_secret_or_personal_data_is_in_logs_answers_or_metrics(
    redis: RedisClient, client: httpx2.AsyncClient, settings: Settings
) -> None:
    body = json.dumps(
        {"id": 7, "email": CANARIES[5], "phone": CANARIES[6], "first_name": CANARIES[7]}
    ).encode()
    odd = json.dumps({"id": 7, "total_spent": CANARIES[5]}).encode()
    ops = {"Authorization": f"Bearer {OPS_TOKEN}"}
    sender = Sender(client)

    with capture_logs() as lines:
        told = [
            await sender.deliver(body),
            await sender.deliver(odd),
            await sender.deliver(body, secret="wrong"),
            await client.get(f"{PATH}?hub.mode=subscribe&hub.verify_token=a-verify-token&hub.challenge=x"),
            await client.get("/ops/v1/shops", headers=ops),
            await client.get("/ops/v1/shops", headers={"Authorization": f"Bearer {OPS_TOKEN}x"}),
            await client.get(f"/ops/v1/shops/{ORG}/deliveries", headers=ops),
            await client.post(f"/ops/v1/shops/{ORG}/pause", content=body, headers={**ops, "Content-Type": "application/json"}),
            await client.get("/metrics"),
            await client.get("/readyz"),
        ]  # fmt: skip

    everything = f"{lines} {[each.text for each in told]} {settings!r}"
    assert [canary for canary in CANARIES if canary in everything] == []


@pytest.mark.parametrize("path", ["/webhooks", "/webhooks/haravan/x", "//webhooks/haravan"])
async def test_only_the_webhook_path_accepts_webhooks(client: httpx2.AsyncClient, path: str) -> None:
    body = b'{"id": 7}'

    answer = await client.post(path, content=body, headers={"X-Haravan-HmacSha256": signature(body)})

    assert answer.status_code == 404


async def test_each_request_and_each_batch_of_webhooks_is_one_log_line(client: httpx2.AsyncClient) -> None:
    async def told() -> bool:
        return bool(lines)

    with capture_logs() as lines:
        await Sender(client).deliver(b'{"id": 7}')
        assert await until(told, within_s=60)  # it is counted once it is answered
        answer = await client.get("/ops/v1/shops", headers={"X-Request-Id": "abc123"})
        await client.get("/healthz")

    assert [(line["event"], line["status"]) for line in lines] == [
        ("webhook_batch", 200),
        ("http_request", 401),
    ]
    assert lines[0]["outcomes"] == {"marked": 1}
    assert answer.headers["x-request-id"] == "abc123"
