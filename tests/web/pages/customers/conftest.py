"""A shop with two rules, a tier, and three customers with personal data."""

from __future__ import annotations

from typing import Any

import pytest

from service.domain.customers.customer import Customer
from service.domain.decisions.state import OWNERSHIP_CODEC, Ownership
from service.domain.documents import parse_rules
from service.store.client import RedisClient, keys
from service.store.customers import seal_snapshot
from service.store.rules import Versions
from service.store.shops import ShopRepository
from tests.support.shop import ORG

RULES = """
version: 1
rules:
  - {id: vip, name: Khách VIP, tag: VIP, when: {field: total_spent, op: at_least, value: 10_000_000}}
  - {id: mail, name: Có email, tag: Có email, when: {field: email, op: is_not_empty}}
tiers:
  - id: hang
    name: Hạng
    levels:
      - {tag: Gold, when: {field: total_spent, op: at_least, value: 50_000_000}}
      - {tag: Silver, when: {field: total_spent, op: at_least, value: 10_000_000}}
"""
CUSTOMERS = (
    Customer(
        id=1,
        total_spent=12_300_000_0000,
        tags=("VIP", "Khách sỉ"),
        first_name="Dũng",
        last_name="Lê",
        email="dung.le@example.com",
        phone="+84912345678",
        birthday_ms=631_152_000_000,
    ),
    Customer(id=2, total_spent=9_660_000_0000, first_name="Đào", last_name="Trần", phone="0987654321"),
    Customer(id=3, tags=("khách SỈ",)),
)


@pytest.fixture
async def people(redis: RedisClient, shops: ShopRepository) -> None:
    """The VIP of the first customer is ours."""
    cipher = (await shops.get_or_raise(ORG)).cipher
    await Versions(redis).publish(ORG, parse_rules(RULES), author="test", parent=0)
    client: Any = redis
    for customer in CUSTOMERS:
        packed = seal_snapshot(customer, cipher, kept=frozenset({"email", "phone"}))
        await client.hset(keys.shop(ORG, "snapshots"), str(customer.id), packed)
    owned = OWNERSHIP_CODEC.encode({"vip": Ownership("VIP", "vip", 1_700_000_000_000, 1)})
    await client.hset(keys.shop(ORG, "owned"), "1", owned)
