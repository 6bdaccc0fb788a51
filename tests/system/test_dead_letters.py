"""Customers whose tags cannot be written: grouped by cause with what helps, retried by a filter, or dropped with a reason."""

from __future__ import annotations

from typing import Any, Final

import httpx2
import pytest

from service.store.history import audit_log
from tests.support.shop import OPS_TOKEN, ORG
from tests.support.wait import wait_until
from tests.system.environment import System

pytestmark = pytest.mark.timeout(600)
API: Final = f"/ops/v1/shops/{ORG}/dead-letters"
RIGHT: Final = {"VIP", "Bạc"}
TOO_LONG: Final = '{"errors": {"tags": "is too long"}}'
INVALID: Final = '{"errors": {"email": "is invalid"}}'


async def test_letters_are_grouped_retried_by_a_filter_and_dropped_with_a_reason(system: System) -> None:
    customers = [system.haravan.create(first_name=f"Khách {n}") for n in range(3)]
    for customer, body in zip(customers, (TOO_LONG, TOO_LONG, INVALID), strict=True):
        system.haravan.faults.fail(422, rate=1.0, endpoint="POST tags", customer=customer, body=body)
        system.haravan.edit(customer, total_spent=12_000_000)
    headers = {"Authorization": f"Bearer {OPS_TOKEN}"}
    async with httpx2.AsyncClient(base_url=system.url, headers=headers, timeout=60) as ops:
        await wait_until(lambda: has_letters(system, ops, 3))
        groups = (await get(ops, f"{API}/groups", lang="en"))["groups"]
        larger, smaller = groups
        counted = await post(ops, f"{API}/retry", group=larger["key"], dry_run=True)
        system.haravan.faults.clear()

        retried = await post(ops, f"{API}/retry", group=larger["key"])
        await wait_until(lambda: has_letters(system, ops, 1))
        without = await ops.post(f"{API}/drop", json={"group": smaller["key"]})
        dropped = await post(ops, f"{API}/drop", group=smaller["key"], reason="khách thử")
        left = (await get(ops, API))["total"]

    assert [group["customers"] for group in groups] == [2, 1]
    assert all(group["cause"] == "rejected" and group["fix"] for group in groups)
    assert ("tags" in larger["text"], "email" in smaller["text"]) == (True, True)
    assert (counted, retried, without.status_code, dropped, left) == (
        {"customers": 2},
        {"customers": 2},
        400,
        {"customers": 1},
        0,
    )
    assert [system.haravan.tags(each) for each in customers] == [RIGHT, RIGHT, set()]
    newest, *_ = await audit_log.list_entries(system.redis, ORG)
    assert (newest.entry.action, "khách thử" in newest.entry.summary) == ("drop_dead_letters", True)


async def has_letters(system: System, ops: httpx2.AsyncClient, count: int) -> bool:
    """Whether so many letters are open. The retries before a letter fall due in simulated time."""
    await system.sandbox.play(60)
    return bool((await get(ops, API))["total"] == count)


async def get(ops: httpx2.AsyncClient, path: str, **query: str) -> dict[str, Any]:
    answer = await ops.get(path, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def post(ops: httpx2.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    answer = await ops.post(path, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found
