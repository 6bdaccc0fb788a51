"""Customers as they were read last: found and shown with personal data masked."""

from __future__ import annotations

import httpx2
import pytest

from service.domain.access import Role
from service.domain.customers.customer import Customer
from service.store.client import RedisClient
from tests.web.ops.conftest import get, post, store_customer, store_token

AN = Customer(
    id=7,
    total_spent=9_660_000_0000,
    tags=("Khách sỉ",),
    last_name="Lê",
    first_name="An",
    email="an.le@example.com",
    phone="0901234567",
    note="canary",
)


@pytest.mark.parametrize(
    ("role", "names", "contact"),
    [
        (Role.VIEWER, ("L•••", "A•••"), (None, None)),
        (Role.MARKETER, ("Lê", "An"), ("a•••@example.com", "•••567")),
    ],
)
async def test_a_record_is_shown_as_far_as_the_role_may_see_it(
    ops: httpx2.AsyncClient,
    redis: RedisClient,
    role: Role,
    names: tuple[str, str],
    contact: tuple[str | None, str | None],
) -> None:
    await store_customer(redis, AN)
    ops.headers.update(await store_token(redis, role))

    record = (await get(ops, "customers/7/record"))["record"]
    missing = await get(ops, "customers/8/record", status=404)

    assert (record["last_name"], record["first_name"]) == names
    assert (record.get("email"), record.get("phone")) == contact
    assert (record["total_spent"], "canary" in str(record)) == (9660000, False)
    assert "was never read" in missing["detail"]


async def test_customers_are_found_by_tag_and_from_marketers_on_by_name(
    ops: httpx2.AsyncClient, redis: RedisClient
) -> None:
    await store_customer(redis, AN)

    by_tag = await post(ops, "customers/search", text="khách sỉ")
    by_name = await post(ops, "customers/search", text="le an")
    ops.headers.update(await store_token(redis, Role.VIEWER))
    hidden = await post(ops, "customers/search", text="le an")

    assert by_tag == by_name
    assert [each["customer"] for each in by_name["customers"]] == [7]
    assert by_name["customers"][0]["email"] == "a•••@example.com"
    assert hidden == {"customers": [], "searched": 1, "has_more": False}
