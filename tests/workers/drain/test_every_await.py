"""Whatever happens at any await of a drain, the customers end with the right tags and no mark."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Awaitable, Callable, Iterator

import pytest

from service.store.client import RedisClient
from service.store.shops.repository import ShopRepository
from tests.workers.stage import ORG, VIP, Stage, staged
from tests.workers.stepping import Steps

# A killed drain leaves its connections open, as kill -9 does. They are collected here and not in another test.
pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
RICH, POOR = 12_000_000, 1
MIN_WAITS = 20  # of a drain with a write
HIGHER = """
version: 1
rules:
  - id: vip
    tag: VIP
    when: {field: total_spent, op: at_least, value: 50_000_000}
"""
Happening = Callable[[Stage, list[int], Steps], Awaitable[None]]


@pytest.fixture(autouse=True, scope="module")
def _collected() -> Iterator[None]:
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


async def falls(stage: Stage, customers: list[int], _: Steps) -> None:
    for each in customers:
        stage.haravan.edit(each, total_spent=POOR)
        await stage.announce(each)


async def rises(stage: Stage, customers: list[int], _: Steps) -> None:
    for each in customers:
        stage.haravan.edit(each, total_spent=2 * RICH)
        await stage.announce(each)


async def goes_up_and_down(stage: Stage, customers: list[int], _: Steps) -> None:
    """States A, B, A with equal bodies."""
    for each in customers:
        before = stage.haravan.customer(each)["total_spent"]
        stage.haravan.edit(each, total_spent=RICH if before < RICH else POOR)
        await stage.announce(each)
        stage.haravan.edit(each, total_spent=before)
        await stage.announce(each)


async def is_announced_again(stage: Stage, customers: list[int], _: Steps) -> None:
    for each in customers:
        await stage.announce(each)


async def is_undone_by_hand(stage: Stage, customers: list[int], _: Steps) -> None:
    for each in customers:
        if "VIP" in stage.haravan.tags(each):
            stage.haravan.untag_by_hand(each, "VIP")
            await stage.announce(each)


async def loses_its_lease_to_another(stage: Stage, customers: list[int], _: Steps) -> None:
    """The process is suspended for longer than its lease, and another drain does all the work."""
    await falls(stage, customers[:1], _)
    await stage.redis.delete(stage.key("lease"))
    await stage.drain(ORG)


async def loses_its_lease(stage: Stage, customers: list[int], _: Steps) -> None:
    await stage.redis.delete(stage.key("lease"))


async def is_cancelled(stage: Stage, customers: list[int], steps: Steps) -> None:
    steps.cancel()


async def is_killed(stage: Stage, customers: list[int], steps: Steps) -> None:
    steps.kill()


async def is_killed_before_a_webhook(stage: Stage, customers: list[int], steps: Steps) -> None:
    steps.kill()
    await falls(stage, customers, steps)


async def is_paused(stage: Stage, customers: list[int], _: Steps) -> None:
    await stage.shops.pause(ORG, reason="by hand", by="test")


EVENTS = [falls, rises, goes_up_and_down, is_announced_again, is_undone_by_hand]
ACCIDENTS = [
    loses_its_lease_to_another,
    loses_its_lease,
    is_cancelled,
    is_paused,
]
DEATHS = [is_killed, is_killed_before_a_webhook]


@pytest.mark.parametrize("happens", [*EVENTS, *ACCIDENTS], ids=lambda each: each.__name__)
async def test_the_tags_are_right_whatever_happens_at_any_await_of_a_drain(
    redis: RedisClient, happens: Happening
) -> None:
    await _at_every_wait(redis, happens)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("happens", DEATHS, ids=lambda each: each.__name__)
async def test_the_tags_are_right_if_a_drain_dies_at_any_await(
    redis: RedisClient, happens: Happening
) -> None:
    await _at_every_wait(redis, happens)

    gc.collect()  # a killed drain leaves its sockets open


async def _at_every_wait(redis: RedisClient, happens: Happening) -> None:
    async with staged(redis) as stage:
        waits = 0
        while True:
            customers = [stage.haravan.create(total_spent=each) for each in (RICH, POOR)]
            waits += 1
            seen = await _drain_with(stage, customers, happens, at=waits)
            await _settle_down(stage)

            for each in customers:
                where = f"{happens.__name__} at wait {waits} of {seen}"
                assert stage.haravan.tags(each) == _wanted(stage, each, least=10_000_000), where
                assert not await stage.is_marked(each), where
            if happens is not is_undone_by_hand:
                assert await stage.redis.xlen(stage.key("drift")) == 0, f"our write is drift: {where}"
            if seen < waits:
                break

        assert waits > MIN_WAITS


async def test_the_tags_are_right_if_other_rules_go_live_at_any_await_of_a_drain(redis: RedisClient) -> None:
    async def is_published(stage: Stage, customers: list[int], _: Steps) -> None:
        await stage.publish(HIGHER)
        await stage.mark(*customers, cause="publish:R9")

    async with staged(redis) as stage:
        waits = 0
        while True:
            customers = [stage.haravan.create(total_spent=each) for each in (RICH, POOR)]
            waits += 1
            seen = await _drain_with(stage, customers, is_published, at=waits)
            await _settle_down(stage)

            if seen < waits:
                break
            assert [stage.haravan.tags(each) for each in customers] == [set(), set()], (waits, seen)
            assert not [each for each in customers if await stage.is_marked(each)], (waits, seen)
            await stage.publish(VIP)

        assert waits > MIN_WAITS


async def _drain_with(stage: Stage, customers: list[int], happens: Happening, *, at: int) -> int:
    """One drain with something happening at its wait number `at`. Returns how often it waited."""
    for each in customers:
        await stage.announce(each)
    async with Steps(at, lambda steps: happens(stage, customers, steps)) as steps:
        await steps.drive(stage.drain(ORG))
        stage.clock.advance(20)
        await stage.redis.delete(stage.key("lease"))  # that of a killed drain has expired by now
        await ShopRepository.resume(stage.shops, ORG)
        await stage.turn(2)
    return steps.seen


async def _settle_down(stage: Stage) -> None:
    await stage.turn(2)
    stage.clock.advance(700)  # a write without a response cannot take effect any more
    await stage.turn(3)


def _wanted(stage: Stage, customer: int, *, least: int) -> set[str]:
    return {"VIP"} if stage.haravan.customer(customer)["total_spent"] >= least else set()
