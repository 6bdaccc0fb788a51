"""Three weeks of the demo: the pages find them as if the service had seen them, and the service goes on from there."""

from __future__ import annotations

import time
from collections import Counter
from random import Random

import pytest

from deploy.demonstration import history, past_rules
from deploy.sandbox import Clock, Sandbox, ShopHandle
from service.context import Context
from service.doctor import Severity, diagnose_shop
from service.domain.customers import CustomerId, OrgId, fold
from service.locales import translator_for
from service.operations import explain_for_shop
from service.publishing import editor
from service.store.client import RedisClient, keys
from service.store.encryption import KeyRing
from service.store.history import day_counts, deliveries, ledger
from service.store.jobs import runs
from service.store.queue import list_open
from service.store.rules import Versions
from service.store.shops import Shop, ShopRepository

ORG = OrgId("1000000002")
CUSTOMERS = 60


@pytest.fixture
def context(redis: RedisClient) -> Context:
    return Context(redis, ShopRepository(redis, KeyRing(["0123456789abcdef" * 2])), Versions(redis))


async def play(context: Context, *, hours_ago: int = 0) -> tuple[ShopHandle, history.History]:
    """A small shop with its past, as of some hours ago."""
    address = "http://127.0.0.1:1/com"
    await context.shops.add(Shop(org=ORG, name="Gốm", dialect="omni", api_url=address, token="t" * 20))
    clock = Clock(lambda: time.time() - hours_ago * 3_600)
    sandbox = Sandbox(clock=clock)
    history.begin(clock)
    shop = sandbox.add_shop(org=ORG, token="t" * 20, secret="s", name="Gốm")
    shop.populate(CUSTOMERS, seed=2)
    played = history.History(shop, clock, context, ORG, Random(1))
    await played.play()
    assert clock.ahead_s == 0
    return shop, played


async def test_every_page_has_something_to_show(context: Context, redis: RedisClient) -> None:
    shop, played = await play(context)

    today = played.past.days[-1].day
    days = await day_counts.load_days(redis, ORG, last=today, days=history.DAYS + 1)
    rows = [row async for row in ledger.iterate(redis, ORG)]
    found = await deliveries.list_deliveries(redis, ORG, limit=1000)
    copy = await editor.open_copy(context, await context.shops.get_or_raise(ORG))
    assert [version.number for version in await context.versions.history(ORG)] == [3, 2, 1]
    assert [(run.id, run.version) for run in await runs.latest(redis, ORG)] == [
        ("P3", 3),
        ("P2", 2),
        ("P1", 1),
    ]
    assert sum(day.added + day.removed for day in days) == len(rows) > 50
    assert all(day.customers and day.customers >= CUSTOMERS for day in days)
    assert {row.entry.cause.partition(":")[0] for row in rows} == {"publish", "schedule", "delivery"}
    assert {each.outcome for each in found.deliveries} == {"marked", "echo"}
    assert len(await list_open(redis, ORG)) == 2
    assert copy.rev == 1
    assert len(shop.ids()) > CUSTOMERS


@pytest.mark.parametrize("hours_ago", [0, 6, 12, 18])
async def test_the_demo_may_start_at_any_hour(context: Context, hours_ago: int) -> None:
    _, played = await play(context, hours_ago=hours_ago)

    assert len(played.past.runs) == len(past_rules.PUBLISHES)
    assert len(played.past.days) == history.DAYS + 1


async def test_the_tags_of_the_shop_are_what_its_rules_say(context: Context) -> None:
    shop, _ = await play(context)
    described = await context.shops.get_or_raise(ORG)
    had: Counter[str] = Counter()
    for customer in shop.ids():
        explained = await explain_for_shop(context, described, CustomerId(customer))
        had.update(map(fold, shop.tags(customer)))
        assert (explained.explanation.add, explained.explanation.remove) == ((), ())
    [today] = await day_counts.load_days(context.redis, ORG, last=history_day(await context.now_ms()), days=1)
    assert {tag: had[fold(tag)] for tag in today.tagged} == today.tagged


async def test_the_doctor_finds_only_the_dead_letters(context: Context) -> None:
    await play(context)

    report = await diagnose_shop(context, ORG, translator_for("vi"))

    wrong = {finding.key for finding in report.findings if finding.severity is Severity.CRITICAL}
    assert wrong <= {"dead_letters_open", "secret_missing", "webhooks_never"}
    assert await context.redis.exists(keys.shop(ORG, "nightly"))


def history_day(now_ms: int) -> int:
    """The ordinal of a moment in the shop's zone, which is seven hours ahead of UTC."""
    return (now_ms + 7 * 3_600_000) // 86_400_000 + 719_163
