"""The ops API explains a customer: whose each tag is, what every rule says, what is missing."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from arq.connections import ArqRedis

from service.domain.customers.customer import Customer, OrgId, encode_snapshot
from service.domain.documents.parser import parse_rules
from service.store.client import keys
from service.store.rules import Versions
from tests.support.shop import OPS_TOKEN, ORG

PATH = f"/ops/v1/shops/{ORG}/customers/7"
RULES = """
version: 1
rules:
  - {id: vip, tag: VIP, when: {field: total_spent, op: at_least, value: 10_000_000}}
  - {id: asleep, tag: Ngủ đông, when: {field: last_order_date, op: more_than_ago, value: 90 days}}
  - {id: birthday, tag: Sinh nhật, when: {field: birthday, op: next_month}}
"""


@pytest.fixture
async def ops(client: httpx2.AsyncClient, redis: ArqRedis) -> httpx2.AsyncClient:
    """An operator's client, and a customer that was looked at."""
    client.headers["Authorization"] = f"Bearer {OPS_TOKEN}"
    await Versions(redis).publish(OrgId(ORG), parse_rules(RULES), author="Lan", parent=0)
    customer = Customer(
        id=7,
        total_spent=9_660_000_0000,
        tags=("Khách sỉ",),
        last_order_ms=1_780_000_000_000,
        birthday_ms=636_231_600_000,
        email="an@example.com",
    )
    await redis.hset(keys.shop(ORG, "snapshots"), mapping={"7": encode_snapshot(customer)})
    return client


async def asked(ops: httpx2.AsyncClient, **query: str) -> Any:
    answer = await ops.get(PATH, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_customer_is_explained_with_what_is_missing(ops: httpx2.AsyncClient) -> None:
    told = await asked(ops, tag="vip", lang="en")

    (rule,) = told["rules"]
    assert (rule["state"], rule["when"]["distance"]) == ("none", {"way": "lacks", "amount": 340_000})
    assert rule["when"]["text"] == "✘ Total spent is at least ₫10,000,000 (is ₫9,660,000, ₫340,000 short)"
    assert told["tags"] == []


async def test_without_a_tag_everything_is_told_and_nothing_that_reaches_a_person(
    ops: httpx2.AsyncClient,
) -> None:
    told = await asked(ops, on="2030-01-01", version="1")

    assert told["day"] == "2030-01-01"
    assert told["tags"] == [{"tag": "Khách sỉ", "owner": "others", "leaves": False}]
    assert told["add"] == ["Ngủ đông"]
    assert "example.com" not in str(told)


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "2028-02-29"])
async def test_any_day_can_be_asked_for(ops: httpx2.AsyncClient, day: str) -> None:
    assert (await asked(ops, on=day))["day"] == day


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (PATH.replace("/7", "/8"), 404),
        (f"{PATH}?version=9", 404),
        (f"{PATH}?version=0", 400),
        (f"{PATH}?on=tomorrow", 400),
        (f"{PATH}?lang=fr", 400),
    ],
    ids=["never looked at", "no such version", "version 0", "no day", "no such language"],
)
async def test_what_cannot_be_explained_is_refused(ops: httpx2.AsyncClient, path: str, status: int) -> None:
    assert (await ops.get(path)).status_code == status
