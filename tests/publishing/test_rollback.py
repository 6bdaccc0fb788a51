"""A roll-back restores the tags that the undone versions removed, also if a process is killed meanwhile."""

from __future__ import annotations

import gc
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace

import pytest

from service.cpu_pool import InProcess
from service.domain.customers.customer import CustomerId
from service.domain.documents.parser import parse_rules
from service.publishing.draft import Draft, create_draft, create_rollback_draft
from service.publishing.publish import Published, publish_draft
from service.store.client import RedisClient, keys
from service.store.history import ledger
from service.store.history.ledger import LedgerRow
from service.store.jobs import pending
from tests.support.actors import LAN
from tests.workers.stage import ORG, Stage, staged
from tests.workers.stepping import Steps
from workers.periodic.pending_jobs import PendingJobs

# A killed coroutine leaves its connections where they are, as kill -9 does.
pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
DAY_S = 86_400.0
RULE = "version: 1\nrules:\n  - {id: vip, tag: VIP, %swhen: {field: total_spent, op: at_least, value: %d}}\n"
FOREVER = RULE % ("keep: forever, ", 10)
THIRTY_DAYS = RULE % ("keep: 30 days, ", 10)
STRICT = RULE % ("", 50)
TIER = """
version: 1
rules: [{id: vip, tag: VIP, when: {field: orders_count, op: at_least, value: %d}}]
tiers:
  - id: rank
    enabled: %s
    levels:
      - {tag: Gold, when: {field: orders_count, op: at_least, value: 1}}
      - {tag: Silver, when: {field: orders_count, op: at_least, value: 2}}
"""
BRONZE = """
version: 1
tiers:
  - id: rank
    levels:
      - {tag: Gold, when: {field: orders_count, op: at_least, value: 9}}
      - {tag: Bronze, when: %s}
"""
NONE = "version: 1\nrules: []\n"


@pytest.fixture(autouse=True, scope="module")
def _collected() -> Iterator[None]:
    """The killed leave sockets open, here as on a real machine."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        for _ in range(5):  # what has died lets go of more that can die
            gc.collect()


@pytest.fixture
async def stage(redis: RedisClient) -> AsyncIterator[Stage]:
    async with staged(redis, rules=FOREVER) as stage:
        yield stage


async def drafted(stage: Stage, *, text: str = "", to: int = 0) -> Draft:
    shop = await stage.shops.get_or_raise(ORG)
    if to:
        return await create_rollback_draft(stage.context, shop, to=to)
    return await create_draft(stage.context, shop, parse_rules(text))


async def published(stage: Stage, *, text: str = "", to: int = 0) -> Published:
    """Publish a text, or roll back to a version."""
    done = await publish_draft(
        stage.context,
        await stage.shops.get_or_raise(ORG),
        await drafted(stage, text=text, to=to),
        by=LAN,
        note="",
        approved=True,
        action="rollback" if to else "publish",
    )
    await stage.execute_jobs()
    return done


async def finished(stage: Stage) -> None:
    """What a worker does five minutes later."""
    later = replace(stage.context, clock_ms=lambda: stage.now_ms + 400_000)
    await stage.redis.delete(keys.pending_lock(ORG))
    jobs = PendingJobs(later, InProcess(later))
    await jobs.run()
    await jobs.run()


async def once_vip(stage: Stage, *, tags: str = "") -> int:
    """A customer who has the tag from us, and whom the rule no longer fits."""
    customer = stage.haravan.create(total_spent=12, tags=tags)
    await stage.announce(customer)
    await stage.turn(2)
    stage.haravan.edit(customer, total_spent=1)
    await stage.announce(customer)
    await stage.turn(2)
    assert "VIP" in stage.haravan.tags(customer)
    return customer


async def taken(stage: Stage, *customers: int, text: str = STRICT) -> None:
    """Rules that take the tag go live and do it."""
    await published(stage, text=text)
    await stage.turn(3)
    for each in customers:
        assert stage.haravan.tags(each) == set()


async def entries(stage: Stage, customer: int) -> list[LedgerRow]:
    return await ledger.list_for_customer(stage.redis, ORG, CustomerId(customer))


async def test_a_tag_kept_for_ever_is_restored_with_the_reason(stage: Stage) -> None:
    customer = await once_vip(stage)
    held = await stage.redis.hget(stage.key("holds"), str(customer))
    await taken(stage, customer)

    shown = (await drafted(stage, to=1)).report
    done = await published(stage, to=1)
    await stage.turn(3)

    assert shown.summary["added"] == 1
    assert done.run is not None
    assert stage.haravan.tags(customer) == {"VIP"}
    assert (await stage.owned(customer))["vip"].version == 3
    assert await stage.redis.hget(stage.key("holds"), str(customer)) == held
    newest = (await entries(stage, customer))[0].entry
    assert (newest.action, newest.why, newest.cause) == ("+", "restored", f"publish:{done.run.id}")
    assert newest.values == {"total_spent": 1_0000}
    assert await stage.redis.hlen(stage.key("pending_restores")) == 0


@pytest.mark.parametrize(("days", "there"), [(20, {"VIP"}), (40, set())])
async def test_a_restored_tag_is_kept_as_long_as_if_it_was_never_removed(
    redis: RedisClient, days: int, there: set[str]
) -> None:
    async with staged(redis, rules=THIRTY_DAYS) as stage:
        customer = await once_vip(stage)
        stage.clock.advance(10 * DAY_S)
        await taken(stage, customer)
        stage.clock.advance((days - 10) * DAY_S)

        await published(stage, to=1)
        await stage.turn(3)
        assert stage.haravan.tags(customer) == there

        stage.clock.advance(15 * DAY_S)
        await stage.sweep.check_shops()
        await stage.turn(3)
        assert stage.haravan.tags(customer) == set()


async def test_a_tag_that_a_person_removed_since_is_not_restored(stage: Stage) -> None:
    customer = await once_vip(stage)
    await taken(stage, customer)
    stage.haravan.edit(customer, total_spent=60)
    await stage.announce(customer)
    await stage.turn(2)
    stage.haravan.untag_by_hand(customer, "VIP")
    stage.haravan.edit(customer, total_spent=1)
    await stage.announce(customer)
    await stage.turn(2)

    await published(stage, to=1)
    await stage.turn(3)

    assert stage.haravan.tags(customer) == set()


async def test_a_tag_that_a_person_added_since_belongs_to_that_person(stage: Stage) -> None:
    customer = await once_vip(stage)
    await taken(stage, customer)
    stage.haravan.tag_by_hand(customer, "VIP")
    await stage.announce(customer)
    await stage.turn(2)

    await published(stage, to=1)
    await stage.turn(3)

    assert stage.haravan.tags(customer) == {"VIP"}
    assert await stage.owned(customer) == {}


async def test_a_persons_tag_that_a_rule_removed_is_restored_and_is_not_ours(stage: Stage) -> None:
    customer = stage.haravan.create(total_spent=1, tags="Khách sỉ")
    await stage.announce(customer)
    await stage.turn()
    text = (
        "version: 1\nrules:\n"
        "  - {id: si, tag: khách sỉ, owns: all, when: {field: total_spent, op: at_least, value: 9}}\n"
    )
    await taken(stage, customer, text=text)

    shown = (await drafted(stage, to=1)).report
    await published(stage, to=1)
    await stage.turn(3)

    assert shown.preview.added == 1
    assert stage.haravan.tags(customer) == {"Khách sỉ"}
    assert await stage.owned(customer) == {}
    assert await stage.ledger(customer) == ["-Khách sỉ", "+Khách sỉ"]


async def test_a_later_publish_decides_pending_restores_as_if_the_tag_was_never_removed(stage: Stage) -> None:
    customer = await once_vip(stage)
    await taken(stage, customer)

    await published(stage, to=1)
    await published(stage, text=RULE % ("keep: forever, ", 11))
    await stage.turn(3)

    assert stage.haravan.tags(customer) == {"VIP"}


async def test_what_the_restored_rules_do_not_want_is_not_decided_on_again(redis: RedisClient) -> None:
    """The tier would remove Silver, so it stays removed, also when a later version disables the tier."""
    async with staged(redis, rules=TIER % (3, "true")) as stage:
        await published(stage, text=TIER % (2, "true"))
        customer = stage.haravan.create(orders_count=2, tags="Gold, Silver")
        await stage.announce(customer)
        await stage.turn(3)
        assert stage.haravan.tags(customer) == {"Gold", "VIP"}

        await published(stage, to=1)
        await stage.turn(3)
        await finished(stage)
        await published(stage, text=TIER % (3, "false"))
        await stage.turn(3)

        assert stage.haravan.tags(customer) == {"Gold"}


async def test_a_tag_that_the_restored_rules_give_too_is_theirs_although_no_tag_changes(
    redis: RedisClient,
) -> None:
    """Otherwise it would count as taken back, and be removed once its tier reads a field that the record lacks."""
    async with staged(redis, rules=BRONZE % "{field: orders_count, op: less_than, value: 3}") as stage:
        await published(stage, text=BRONZE % "{field: orders_count, op: less_than, value: 4}")
        customer = stage.haravan.create(orders_count=0, tags="Gold")
        await stage.announce(customer)
        await stage.turn(3)
        assert stage.haravan.tags(customer) == {"Bronze"}

        await published(stage, to=1)
        await stage.turn(3)
        assert (await stage.owned(customer))["bronze"].version == 3
        stage.haravan.faults.missing_fields = frozenset({"birthday"})
        await published(stage, text=BRONZE % "{field: age, op: at_least, value: 18}")
        await stage.announce(customer)
        await stage.turn(3)

        assert stage.haravan.tags(customer) == {"Bronze"}


async def test_a_roll_back_that_is_itself_rolled_back_at_once_restores_nothing(
    stage: Stage,
) -> None:
    customer = await once_vip(stage)
    await taken(stage, customer)

    await published(stage, to=1)
    await published(stage, to=2)
    await stage.turn(3)

    assert stage.haravan.tags(customer) == set()
    assert await stage.redis.hlen(stage.key("pending_restores")) == 0


async def test_a_second_roll_back_to_the_same_rules_restores_what_is_still_missing(stage: Stage) -> None:
    first, second = await once_vip(stage), await once_vip(stage)
    await taken(stage, first, second)
    await published(stage, to=1)
    await stage.turn(3)

    await taken(stage, first, second)
    await published(stage, to=1)
    await stage.turn(3)

    assert [stage.haravan.tags(each) for each in (first, second)] == [{"VIP"}, {"VIP"}]


async def test_a_retracted_tag_is_not_restored(stage: Stage) -> None:
    from service.operations import claims

    customer = await once_vip(stage)
    await published(stage, text=NONE)
    shop = await stage.shops.get_or_raise(ORG)
    claim = await claims.plan_retraction(stage.context, shop, "VIP")
    await claims.apply_claim(stage.context, shop, claim, by=LAN, approved=True)
    await stage.execute_jobs()
    await stage.turn(3)
    assert stage.haravan.tags(customer) == set()

    await published(stage, to=1)
    await stage.turn(3)

    assert stage.haravan.tags(customer) == set()


@pytest.mark.parametrize("stride", [4, pytest.param(1, marks=pytest.mark.slow)])
async def test_a_roll_back_killed_at_any_await_is_completed(stage: Stage, stride: int) -> None:
    waits, times, customer = 1, 0, await once_vip(stage)
    while True:
        live = await stage.versions.live_number(ORG)
        await taken(stage, customer)
        times += 1
        async with Steps(waits, _is_killed) as steps:
            await steps.drive(_rolls_back(stage, to=live))
            await stage.turn()
            await finished(stage)
            await stage.turn(2)

            if await stage.versions.live_number(ORG) == live + 1:  # killed before it went live
                await published(stage, to=live)
                await stage.turn(2)
            where = f"killed at wait {waits} of {steps.seen}"
            assert stage.haravan.tags(customer) == {"VIP"}, where
            assert await stage.ledger(customer) == ["+VIP", *["-VIP", "+VIP"] * times][-100:], where
        if steps.seen < waits:
            break
        await stage.turn(2)
        waits += stride
    assert waits > 20


async def _rolls_back(stage: Stage, *, to: int) -> None:
    await published(stage, to=to)


async def _is_killed(steps: Steps) -> None:
    steps.kill()


@pytest.mark.parametrize("killed", [False, True], ids=["goes on", "is killed"])
async def test_a_tag_is_restored_if_its_rules_are_rolled_back_at_any_await_of_the_drain_that_removes_it(
    redis: RedisClient, killed: bool
) -> None:
    async def is_rolled_back(stage: Stage, steps: Steps) -> None:
        if killed:
            steps.kill()
        await published(stage, to=await stage.versions.live_number(ORG) - 1)

    await _at_every_wait_of_a_drain(redis, is_rolled_back, undone=True)


async def test_a_restoring_drain_killed_at_any_await_is_completed(redis: RedisClient) -> None:
    async def is_killed(_: Stage, steps: Steps) -> None:
        steps.kill()

    await _at_every_wait_of_a_drain(redis, is_killed, undone=False)


async def _at_every_wait_of_a_drain(
    redis: RedisClient, happens: Callable[[Stage, Steps], Awaitable[None]], *, undone: bool
) -> None:
    """Something happens to the drain that takes (or, if not `undone`, that puts back) a tag; in the end it is there."""
    async with staged(redis, rules=FOREVER) as stage:
        waits, seen, customer = 0, 1, await once_vip(stage)
        while seen >= waits:
            live = await stage.versions.live_number(ORG)
            await (published(stage, text=STRICT) if undone else taken(stage, customer))
            if not undone:
                await published(stage, to=live)
            waits += 1
            seen = await _drain_with(stage, happens, at=waits)
            if seen < waits and undone:
                break  # nothing was rolled back

            where = f"at wait {waits} of {seen}"
            assert stage.haravan.tags(customer) == {"VIP"}, where
            assert not await stage.is_marked(customer), where
            assert (await stage.ledger(customer))[-1:] == ["+VIP"], where
            assert await stage.redis.hlen(stage.key("pending_restores")) == 0, where
            assert await pending.list_jobs(stage.redis) == [], where
        assert waits > 15


async def _drain_with(stage: Stage, happens: Callable[[Stage, Steps], Awaitable[None]], *, at: int) -> int:
    """One turn, while something happens at its wait number `at`, and what follows; how often it waited."""
    async with Steps(at, lambda steps: happens(stage, steps)) as steps:
        await steps.drive(stage.drain(ORG))
        stage.clock.advance(20)
        await stage.redis.delete(stage.key("lease"))  # of a killed one it has expired by now
        await stage.turn(3)
    await finished(stage)
    await stage.turn(3)
    stage.clock.advance(700)  # beyond the time in which a lost write may land
    await stage.turn(3)
    return steps.seen
