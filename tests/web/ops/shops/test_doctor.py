"""The doctor over the ops API."""

from __future__ import annotations

import httpx2

from service.store.client import RedisClient
from tests.support.sender import Sender
from tests.support.shop import ORG, OTHER_ORG
from tests.web.ops.conftest import (
    get,
    store_dead_letter,
)


async def test_the_doctor_says_what_is_wrong_with_a_shop_and_the_command_that_repairs_it(
    redis: RedisClient, ops: httpx2.AsyncClient
) -> None:
    await Sender(ops).deliver(b'{"id": 7}')
    await store_dead_letter(redis, 9)

    report = await get(ops, "doctor", lang="en")

    found = {finding["key"]: finding for finding in report["findings"]}
    assert report["verdict"] == "critical"
    assert found["dead_letters_open"] == {
        "key": "dead_letters_open",
        "severity": "critical",
        "org": ORG,
        "text": "Not processed, and waiting for a person: 1 customer. Causes: Haravan refused the write (1).",
        "command": f"tagger dead-letters list {ORG}",
    }
    assert found["webhooks"]["severity"] == "ok"
    assert (await get(ops, "doctor", deep="true"))["verdict"] == "critical"


async def test_the_doctor_compares_the_settings_of_the_web_process(ops: httpx2.AsyncClient) -> None:
    report = (await ops.get("/ops/v1/doctor", params={"lang": "en"})).json()

    found = {finding["key"]: finding for finding in report["findings"]}
    assert found["alerts_missing"]["org"] is None
    assert {finding["org"] for finding in report["findings"]} == {None, ORG, OTHER_ORG}
    assert "store_not_durable" not in found  # DURABILITY=everysec
