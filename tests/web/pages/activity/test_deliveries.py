"""Webhooks are listed with their outcome in words, by customer and by day, in pages."""

from __future__ import annotations

import html
import re

import pytest

from service.store.client import RedisClient
from service.store.queue import dirty
from service.store.queue.dirty import DirtyEvent
from tests.support.shop import ORG
from tests.support.visitors import Visitor

PATH = f"/shops/{ORG}/deliveries"


async def deliver(redis: RedisClient, *customers: int, note: str = "") -> None:
    for customer in customers:
        event = DirtyEvent(str(customer), identity=b"%d%s" % (customer, note.encode()), note=note)
        await dirty.mark_dirty(redis, ORG, [event], lane="live")


async def listed(owner: Visitor, query: str = "") -> list[int]:
    page = (await owner.get(f"{PATH}{query}")).text
    return [int(each) for each in re.findall(r">#([0-9]+)</a>", page)]


async def test_outcomes_are_words(owner: Visitor, redis: RedisClient) -> None:
    await deliver(redis, 1)
    await deliver(redis, 2, note="ignored:test")

    page = (await owner.get(PATH)).text

    assert "đã nhận, sẽ kiểm tra khách hàng" in page
    assert "bỏ qua: webhook thử" in page


@pytest.mark.parametrize(
    ("query", "expected"),
    [("", [3, 2, 1]), ("?customer=2", [2]), ("?customer=9", []), ("?from=01/01/2020", [3, 2, 1])],
)
async def test_they_are_found_by_customer_and_day(
    owner: Visitor, redis: RedisClient, query: str, expected: list[int]
) -> None:
    await deliver(redis, 1, 2, 3)

    assert await listed(owner, query) == expected
    assert await listed(owner, "?to=01/01/2020") == []


async def test_older_ones_are_on_the_next_page(owner: Visitor, redis: RedisClient) -> None:
    await deliver(redis, *range(1, 61))
    first = (await owner.get(PATH)).text
    [older] = re.findall(rf'href="({PATH}\?before=[^"]*)"', first)

    assert await listed(owner) == [*range(60, 10, -1)]
    assert await listed(owner, html.unescape(older).removeprefix(PATH)) == [*range(10, 0, -1)]


async def test_a_wrong_id_is_said_and_a_wrong_cursor_is_the_first_page(
    owner: Visitor, redis: RedisClient
) -> None:
    await deliver(redis, 1)

    assert "chỉ gồm chữ số" in (await owner.get(f"{PATH}?customer=le+dung")).text
    assert await listed(owner, "?before=x") == [1]
