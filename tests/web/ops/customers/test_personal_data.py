"""Personal data over the ops API."""

from __future__ import annotations

import httpx2
import pytest

from service.store.client import RedisClient, keys
from tests.support.shop import ORG
from tests.web.ops.conftest import API, get


async def test_personal_data_is_exported_where_it_is_asked_for_and_erased(
    explain_ops: httpx2.AsyncClient, redis: RedisClient
) -> None:
    exported = await get(explain_ops, "customers/7/personal-data")
    erased = await explain_ops.delete(f"{API}/customers/7/personal-data")
    after = await get(explain_ops, "customers/7/personal-data")

    assert (exported["record"]["email"], exported["record"]["total_spent"]) == ("an@example.com", 9_660_000)
    assert (erased.status_code, erased.json()["known"]) == (200, True)
    assert after["record"] is None
    assert not await redis.hexists(keys.shop(ORG, "snapshots"), "7")
    await get(explain_ops, "customers/7", status=404)


@pytest.mark.parametrize("method", ["get", "delete"])
async def test_personal_data_needs_a_token_and_a_shop(explain_ops: httpx2.AsyncClient, method: str) -> None:
    call = getattr(explain_ops, method)

    unknown = await call("/ops/v1/shops/42/customers/7/personal-data")
    anonymous = await call(f"{API}/customers/7/personal-data", headers={"Authorization": ""})

    assert (unknown.status_code, anonymous.status_code) == (404, 401)
