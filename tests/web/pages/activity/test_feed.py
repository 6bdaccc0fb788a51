"""The feed merges three streams without losing, repeating or misordering an entry, whatever the filter and page size."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.context import Context
from service.domain.customers.customer import CustomerId
from service.domain.documents import parse_rules
from service.store.client import RedisClient
from service.store.queue import dirty
from service.store.queue.dirty import DirtyEvent
from service.store.rules import Versions
from service.store.shops import ShopRepository
from service.web.pages.activity.feed import Feed, FeedFilter, load_feed
from tests.support.history import add_entry, add_manual_change
from tests.support.shop import ORG
from tests.web.ops.conftest import HIGH

ALL = FeedFilter(show="all")
START_MS = 1_700_000_000_000


@pytest.fixture
async def context(redis: RedisClient, shops: ShopRepository) -> Context:
    """A shop with rules and nothing else."""
    await Versions(redis).publish(ORG, parse_rules(HIGH), author="test", parent=0)
    return Context(redis, shops, Versions(redis))


async def fill(redis: RedisClient, entries: int) -> None:
    """Entries of both streams, several in the same millisecond."""
    for number in range(entries):
        at_ms = START_MS + number // 3
        if number % 4 == 0:
            await add_manual_change(redis, number, "+Khách sỉ", at_ms=at_ms)
        else:
            change, cause = ("+VIP", "delivery") if number % 2 else ("-Gold", "publish:P1")
            await add_entry(
                redis, number, change, at_ms=at_ms, cause=cause, rule="vip" if number % 2 else "hang"
            )


async def deliver(redis: RedisClient, customer: int) -> None:
    event = DirtyEvent(str(customer), identity=b"%d" % customer)
    await dirty.mark_dirty(redis, ORG, [event], lane="live")


async def page(context: Context, wanted: FeedFilter = ALL, **more: object) -> Feed:
    return await load_feed(context, ORG, wanted, language="vi", **more)  # type: ignore[arg-type]


async def all_pages(
    context: Context, wanted: FeedFilter, *, limit: int, max_scanned: int = 1000
) -> list[Feed]:
    pages = [await page(context, wanted, limit=limit, max_scanned=max_scanned)]
    while pages[-1].older:
        pages.append(
            await page(context, wanted, limit=limit, max_scanned=max_scanned, before=pages[-1].older)
        )
        assert len(pages) < 100
    return pages


def customers(pages: list[Feed]) -> list[CustomerId | None]:
    return [row.customer for each in pages for row in each.rows]


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
async def test_every_entry_is_on_one_page_newest_first(
    context: Context, redis: RedisClient, limit: int
) -> None:
    await fill(redis, 20)
    await deliver(redis, 99)

    pages = await all_pages(context, ALL, limit=limit)

    assert sorted(map(int, filter(None, customers(pages)))) == [*range(1, 20), 99]
    assert len(customers(pages)) == 21  # customer 0 as well
    moments = [row.at_ms for each in pages for row in each.rows]
    assert moments == sorted(moments, reverse=True)
    assert all(len(each.rows) <= limit for each in pages)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (FeedFilter(), 20),
        (FeedFilter(show="webhooks"), 1),
        (FeedFilter(tag="vip"), 10),
        (FeedFilter(tag="KHÁCH SỈ"), 5),
        (FeedFilter(rule="hang"), 5),
        (FeedFilter(source="publish"), 5),
        (FeedFilter(source="people"), 5),
        (FeedFilter(source="schedule"), 0),
        (FeedFilter(show="all", customer=CustomerId(5)), 1),
        (FeedFilter(show="all", source="delivery"), 10),
        (FeedFilter(since_ms=START_MS + 5), 5),
        (FeedFilter(until_ms=START_MS), 3),
    ],
)
@pytest.mark.parametrize("limit", [2, 100])
async def test_a_filter_finds_all_of_its_entries(
    context: Context, redis: RedisClient, wanted: FeedFilter, expected: int, limit: int
) -> None:
    await fill(redis, 20)
    await deliver(redis, 99)

    found = customers(await all_pages(context, wanted, limit=limit))

    assert len(found) == expected
    assert len(set(found)) == len(found)


async def test_a_filter_reads_a_bounded_part_and_goes_on_with_the_next_page(
    context: Context, redis: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.web.pages.activity.feed.BATCH", 2)
    await fill(redis, 20)
    wanted = FeedFilter(show="all", customer=CustomerId(1))

    pages = await all_pages(context, wanted, limit=5, max_scanned=4)

    assert len(pages) > 1
    assert pages[0].is_partial
    assert customers(pages) == [1]


async def test_what_came_since_is_asked_with_the_newest_ids(context: Context, redis: RedisClient) -> None:
    await fill(redis, 4)
    before = await page(context, FeedFilter())
    await add_entry(redis, 50, "+VIP", at_ms=START_MS + 100)
    await add_manual_change(redis, 51, "-VIP", at_ms=START_MS + 101)

    new = await page(context, FeedFilter(), after=before.newest)
    nothing = await page(context, FeedFilter(), after=new.newest)

    assert customers([new]) == [51, 50]
    assert nothing.rows == ()
    assert nothing.newest == new.newest


async def test_a_shop_without_rules_has_a_feed(redis: RedisClient, shops: ShopRepository) -> None:
    await add_entry(redis, 1, "+VIP", at_ms=START_MS)

    feed = await page(Context(redis, shops, Versions(redis)))

    assert [row.rule for row in feed.rows] == ["vip"]
    assert feed.rules == {}


def test_a_filter_of_tags_leaves_webhooks_out() -> None:
    assert replace(ALL, tag="VIP").kinds == {"change", "manual"}
    assert replace(ALL, rule="vip").kinds == {"change"}
    assert replace(ALL, source="people").kinds == {"manual"}
    assert replace(ALL, source="publish").kinds == {"change"}
