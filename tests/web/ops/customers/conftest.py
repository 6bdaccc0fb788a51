"""A shop with three rules and one evaluated customer."""

from __future__ import annotations

import httpx2
import pytest

from service.domain.customers.customer import Customer, OrgId, encode_snapshot
from service.domain.documents.parser import parse_rules
from service.store.client import RedisClient, keys
from service.store.rules import Versions
from tests.support.shop import ORG

RULES = """
version: 1
rules:
  - {id: vip, tag: VIP, when: {field: total_spent, op: at_least, value: 10_000_000}}
  - {id: asleep, tag: Ngủ đông, when: {field: last_order_date, op: more_than_ago, value: 90 days}}
  - {id: birthday, tag: Sinh nhật, when: {field: birthday, op: next_month}}
"""


@pytest.fixture
async def explain_ops(ops: httpx2.AsyncClient, redis: RedisClient) -> httpx2.AsyncClient:
    """An operator's client of a shop with three rules and an evaluated customer."""
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
    return ops
