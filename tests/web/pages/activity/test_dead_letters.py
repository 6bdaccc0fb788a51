"""Dead letters are grouped by cause with the likely fix; people retry some, a group or all, or drop them with a reason."""

from __future__ import annotations

import json
from urllib.parse import quote_plus

import pytest

from service.domain.access import Role
from service.domain.customers.customer import CustomerId
from service.operations import group_key
from service.store.client import RedisClient, keys
from service.store.history import audit_log
from service.store.queue import DeadLetter
from tests.support.shop import ORG
from tests.support.visitors import Visitor, heading, location
from tests.web.pages.conftest import VisitAs

PATH = f"/shops/{ORG}/deliveries/dead"


def letter(customer: int, cause: str = "rejected", text: str = "422: tag is too long") -> DeadLetter:
    return DeadLetter(CustomerId(customer), cause, text, 1, 2, 3, transient=False)


async def store(redis: RedisClient, *letters: DeadLetter) -> None:
    for each in letters:
        packed = {each.cause: {"text": each.text, "first": 1, "last": 2, "count": 3, "transient": False}}
        await redis.hset(keys.shop(ORG, "dead_letters"), str(each.customer), json.dumps(packed))


async def marked(redis: RedisClient) -> set[int]:
    found = [await redis.exists(keys.shop(ORG, f"mark:{customer}")) for customer in range(10)]
    return {customer for customer, exists in enumerate(found) if exists}


async def test_viewers_see_them_without_buttons(visitor_of: VisitAs, redis: RedisClient) -> None:
    await store(redis, letter(1))

    page = (await (await visitor_of(Role.VIEWER)).get(PATH)).text

    assert "422: tag is too long" in page
    assert "Sửa quy tắc hoặc nhãn" in page
    assert "checkbox" not in page
    assert "formaction" not in page


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        pytest.param({"customer": ["1", "3"]}, {1, 3}, id="the chosen"),
        pytest.param({"customer": "1", "scope": "chosen"}, {1}, id="by the button"),
        pytest.param({"scope": "all"}, {1, 2, 3}, id="all"),
        pytest.param({"group": group_key(letter(2))}, {1, 2}, id="a group"),
        pytest.param({"customer": ["9"]}, set(), id="no letter"),
        pytest.param({"group": "unknown"}, set(), id="an unknown group"),
    ],
)
async def test_a_retry_marks_those_customers(
    owner: Visitor, redis: RedisClient, form: dict[str, str | list[str]], expected: set[int]
) -> None:
    await store(redis, letter(1), letter(2), letter(3, "denied", "403"))

    answer = await owner.post(f"{PATH}/retry", **form)

    assert location(answer) == PATH
    assert await marked(redis) == expected
    actions = [row.entry.action for row in await audit_log.list_entries(redis, ORG)]
    assert actions == (["retry_dead_letters"] if expected else [])


@pytest.mark.parametrize("change", ["retry", "drop"])
@pytest.mark.parametrize("chosen", [[], ["x", "-1"]])
async def test_nothing_chosen_is_said(
    owner: Visitor, redis: RedisClient, change: str, chosen: list[str]
) -> None:
    await store(redis, letter(1))

    answer = await owner.post(f"{PATH}/{change}", customer=chosen, reason="x")

    assert answer.status_code == 422
    assert "Chọn ít nhất một khách hàng." in answer.text
    assert await marked(redis) == set()


async def test_dropping_asks_for_a_reason_first_and_audits_it(owner: Visitor, redis: RedisClient) -> None:
    await store(redis, letter(1), letter(2))

    asked = await owner.post(f"{PATH}/drop", customer=["1"])
    refused = await owner.post(f"{PATH}/drop", customer=["1"], reason=" ")
    kept = await redis.hlen(keys.shop(ORG, "dead_letters"))
    dropped = await owner.post(f"{PATH}/drop", customer=["1", "7"], reason="khách thử")

    assert (asked.status_code, heading(asked)) == (200, "Bỏ qua")
    assert refused.status_code == 422
    assert kept == 2
    assert location(dropped) == PATH
    assert await redis.hkeys(keys.shop(ORG, "dead_letters")) == [b"2"]
    [entry] = [row.entry for row in await audit_log.list_entries(redis, ORG)]
    assert (entry.action, entry.summary) == ("drop_dead_letters", "customer 1: khách thử")
    assert await marked(redis) == set()


async def test_a_whole_group_is_dropped_or_leads_to_a_replay(owner: Visitor, redis: RedisClient) -> None:
    await store(redis, letter(1), letter(2), letter(3, "denied", "403"))
    group = group_key(letter(1))

    page = (await owner.get(PATH)).text
    asked = await owner.post(f"{PATH}/drop", drop_group=group)
    dropped = await owner.post(f"{PATH}/drop", drop_group=group, reason="khách thử")

    assert f"/replay?source=dead_letters&amp;group={quote_plus(group)}" in page
    assert "2 khách hàng" in asked.text
    assert location(dropped) == PATH
    assert await redis.hkeys(keys.shop(ORG, "dead_letters")) == [b"3"]
