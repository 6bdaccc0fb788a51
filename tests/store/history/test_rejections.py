"""Rejected webhooks are reported with their first time, number, reason and shops."""

from __future__ import annotations

from service.store.client import RedisClient, keys
from service.store.history.deliveries import UNKNOWN_SHOP
from service.store.history.rejections import (
    MAX_UNKNOWN_ORGS,
    OTHER,
    Tally,
    add_rejections,
    add_unknown_shops,
    load_webhook_report,
)
from service.store.queue.dirty import DirtyEvent, mark_dirty
from tests.support.shop import ORG, OTHER_ORG


async def accept(redis: RedisClient) -> int:
    """Record an accepted webhook; returns its moment in ms."""
    [marked] = await mark_dirty(redis, ORG, [DirtyEvent("7", identity=b"a" * 16)], lane="live")
    return int(marked.delivery.partition("-")[0])


async def test_refusals_add_up_with_their_first_and_last_moment(redis: RedisClient) -> None:
    await add_rejections(redis, ORG, {"bad_signature": Tally(2, 1_000, 3_000)})
    await add_rejections(
        redis, ORG, {"bad_signature": Tally(4, 4_000, 9_000), "no_secret": Tally(1, 5_000, 5_000)}
    )

    [shop, other] = (await load_webhook_report(redis, [ORG, OTHER_ORG])).shops

    assert shop.rejected == {"bad_signature": Tally(6, 1_000, 9_000), "no_secret": Tally(1, 5_000, 5_000)}
    assert shop.accepted_ms is None
    assert (other.rejected, other.accepted_ms) == ({}, None)


async def test_the_last_accepted_webhook_is_reported(redis: RedisClient) -> None:
    accepted_ms = await accept(redis)

    [shop] = (await load_webhook_report(redis, [ORG])).shops

    assert shop.accepted_ms == accepted_ms


async def test_unknown_shops_are_named_until_they_are_added(redis: RedisClient) -> None:
    await add_unknown_shops(redis, {"1000114691": Tally(5, 1_000, 2_000), OTHER_ORG: Tally(1, 1_000, 1_000)})

    assert (await load_webhook_report(redis, [OTHER_ORG])).unknown_shops == {
        "1000114691": Tally(5, 1_000, 2_000)
    }


async def test_invented_orgs_are_counted_together_beyond_a_bound(redis: RedisClient) -> None:
    first = {str(number): Tally(1, 1, 1) for number in range(MAX_UNKNOWN_ORGS)}
    await add_unknown_shops(redis, first)
    await add_unknown_shops(redis, {"7": Tally(1, 2, 2), "a": Tally(2, 3, 3), "b": Tally(1, 2, 4)})

    unknown = (await load_webhook_report(redis, [])).unknown_shops

    assert len(unknown) == MAX_UNKNOWN_ORGS + 1
    assert (unknown["7"], unknown[OTHER]) == (Tally(2, 1, 2), Tally(3, 2, 4))


async def test_the_counts_expire(redis: RedisClient) -> None:
    await add_rejections(redis, "-", {"no_signature": Tally(1, 1, 1)})
    await add_unknown_shops(redis, {"9": Tally(1, 1, 1)})

    for key in (keys.shop("-", "rejections"), keys.shop(UNKNOWN_SHOP, "orgs")):
        assert 0 < await redis.ttl(key) <= 7 * keys.DAY_S
