"""The page of the receivers of events."""

from __future__ import annotations

import re

import httpx2
import msgspec
import pytest

from service.domain.access import Role
from service.store.client import RedisClient
from service.store.events import endpoints
from service.store.history import audit_log
from tests.support.shop import ORG
from tests.support.visitors import Visitor, heading, visit_as

PATH = f"/shops/{ORG}/endpoints"
URL = "https://hooks.example.com/a"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]{44}")


@pytest.fixture
async def ops(client: httpx2.AsyncClient, redis: RedisClient) -> Visitor:
    return await visit_as(client, redis, Role.OPS)


async def test_a_receiver_is_added_and_its_secret_is_shown_once(ops: Visitor) -> None:
    added = await ops.post(PATH, url=URL, events="customer.tagged")
    later = await ops.get(PATH)

    assert (added.status_code, len(SECRET.findall(added.text))) == (200, 1)
    assert (heading(later), URL in later.text) == ("Gửi sự kiện ra ngoài", True)
    assert not SECRET.search(later.text)


@pytest.mark.parametrize(
    ("url", "events", "said"),
    [
        ("https://10.0.0.1/", "customer.tagged", "Không gửi được"),
        ("not an address", "customer.tagged", "Không gửi được"),
        (URL, "made.up", "ít nhất một sự kiện"),
    ],
)
async def test_what_cannot_work_is_said_beside_its_field(
    ops: Visitor, url: str, events: str, said: str
) -> None:
    answer = await ops.post(PATH, url=url, events=events)

    assert answer.status_code == 422
    assert said in answer.text
    assert url in answer.text


async def test_a_receiver_is_stopped_continued_given_a_new_secret_and_removed(
    ops: Visitor, redis: RedisClient
) -> None:
    await ops.post(PATH, url=URL, events="shop.paused")
    await endpoints.add_dead(redis, ORG, "E1", source="notices", entry="1-0", cause="HTTP 400")

    await ops.post(f"{PATH}/E1/switch", disabled="1")
    stopped = (await endpoints.get(redis, ORG, "E1"))[0].disabled
    await ops.post(f"{PATH}/E1/switch")
    rotated = await ops.post(f"{PATH}/E1/rotate")
    await ops.post(f"{PATH}/E1/retry")
    await ops.post(f"{PATH}/E1/remove")

    assert (stopped, len(SECRET.findall(rotated.text))) == ("by_hand", 1)
    assert await endpoints.list_all(redis, ORG) == []
    entries = [row.entry for row in await audit_log.list_entries(redis, ORG)]
    assert [(entry.action, entry.by) for entry in reversed(entries)] == [
        (action, "ops")
        for action in (
            "add_endpoint",
            "disable_endpoint",
            "enable_endpoint",
            "rotate_endpoint_secret",
            "retry_events",
            "remove_endpoint",
        )
    ]


async def test_a_disabled_receiver_says_what_to_do(ops: Visitor, redis: RedisClient) -> None:
    await ops.post(PATH, url=URL, events="shop.paused")
    await endpoints.change(
        redis,
        ORG,
        "E1",
        lambda endpoint, state: (msgspec.structs.replace(endpoint, disabled="failing"), state),
    )

    page = await ops.get(PATH)

    assert "Ba ngày liền" in page.text
