"""Operators' clients of the ops API, and helpers to fill the shop."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from service.context import Context
from service.cpu_pool import InProcess
from service.domain.access import ALL_SHOPS, Role, Shops, create_token, shell_user
from service.domain.customers.customer import Customer, encode_snapshot
from service.domain.decisions.state import OWNERSHIP_CODEC, Ownership
from service.store.access import tokens
from service.store.client import RedisClient, keys
from service.store.encryption.keyring import KeyRing
from service.store.history import audit_log
from service.store.rules import Versions
from service.store.shops.repository import ShopRepository
from tests.support.shop import KEY, OPS_TOKEN, ORG
from workers.periodic.pending_jobs import PendingJobs

API = f"/ops/v1/shops/{ORG}"
VIP = "version: 1\nrules:\n  - {id: vip, name: Khách VIP, tag: VIP, when: {field: total_spent, op: at_least, value: %d}}\n"
HIGH, LOW = VIP % 10_000_000, VIP % 9_000_000


@pytest.fixture
async def ops(client: httpx2.AsyncClient) -> httpx2.AsyncClient:
    """A client with an operator's token."""
    client.headers["Authorization"] = f"Bearer {OPS_TOKEN}"
    return client


@pytest.fixture
async def rules_ops(ops: httpx2.AsyncClient, redis: RedisClient) -> httpx2.AsyncClient:
    """An operator's client of a shop with one version of the rules and three evaluated customers."""
    await post(ops, "rules/publish", rules=HIGH, note="đầu tiên")
    await store_customer(redis, Customer(id=1, total_spent=20_000_000_0000, tags=("VIP",)), version=1)
    await store_customer(redis, Customer(id=2, total_spent=9_660_000_0000))
    await store_customer(redis, Customer(id=3, total_spent=5_0000, tags=("vip", "Khách sỉ")))
    return ops


async def store_customer(redis: RedisClient, customer: Customer, *, version: int = 0) -> None:
    """A customer as its drain leaves it. With `version` its VIP is ours since that version."""
    client: Any = redis
    await client.hset(keys.shop(ORG, "snapshots"), str(customer.id), encode_snapshot(customer))
    if version:
        owned = OWNERSHIP_CODEC.encode({"vip": Ownership("VIP", "vip", 1_700_000_000_000, version)})
        await client.hset(keys.shop(ORG, "owned"), str(customer.id), owned)


async def store_dead_letter(redis: RedisClient, customer: int) -> None:
    """An open dead letter, as the drain writes it."""
    letter = {"rejected": {"text": "422", "first": 1, "last": 2, "count": 3, "transient": False}}
    await redis.hset(keys.shop(ORG, "dead_letters"), str(customer), json.dumps(letter))


async def post(
    ops: httpx2.AsyncClient, path: str, *, status: int = 200, if_match: str = "*", **body: Any
) -> Any:
    """POST to a path of the shop; returns the parsed body of the response."""
    response = await ops.post(f"{API}/{path}", json=body, headers={"If-Match": if_match})
    assert response.status_code == status, response.text
    return response.json()


async def get(ops: httpx2.AsyncClient, path: str, *, status: int = 200, **query: str) -> Any:
    """GET a path of the shop; returns the parsed body of the response."""
    response = await ops.get(f"{API}/{path}", params=query or None)
    assert response.status_code == status, response.text
    return response.json()


async def execute_jobs(redis: RedisClient) -> None:
    """Execute the pending jobs as a worker does."""
    context = Context(redis, ShopRepository(redis, KeyRing([KEY])), Versions(redis))
    await PendingJobs(context, InProcess(context)).run()


async def audit_entries(redis: RedisClient) -> list[tuple[str, str]]:
    """Author and action of each audit entry, newest first."""
    return [(row.entry.by, row.entry.action) for row in await audit_log.list_entries(redis, ORG)]


async def store_token(redis: RedisClient, role: Role, *, shops: Shops = ALL_SHOPS) -> dict[str, str]:
    """Store a token with this role; returns the header of its requests."""
    reach = "all" if shops is None else "-".join(sorted(shops))
    created = create_token(
        f"{role}-{reach}",
        role,
        shops=shops,
        expires_ms=0,
        by=shell_user("lan"),
        now_ms=1,
        random=f"{role}{reach}".encode().ljust(32, b"."),
    )
    await tokens.add(redis, created.stored)
    return {"Authorization": f"Bearer {created.secret}"}
