"""What the demo counts while the service works."""

from __future__ import annotations

from pathlib import Path

from deploy.demonstration.environment import ORG, DemoEnvironment
from deploy.demonstration.observer import Stats
from deploy.sandbox import Sandbox
from service.context import Context
from service.domain.documents.parser import parse_rules
from service.store.client import RedisClient
from service.store.encryption.keyring import KeyRing
from service.store.queue.dirty import DirtyEvent, mark_dirty
from service.store.rules import Versions
from service.store.shops.repository import ShopRepository

RULES = parse_rules(
    "version: 1\nrules: [{id: a, name: A, tag: A, when: {field: orders_count, op: at_least, value: 1}}]"
)


def delivery(number: int, outcome: str = "") -> DirtyEvent:
    return DirtyEvent(str(number), identity=number.to_bytes(16), note=outcome)


async def test_every_echo_is_counted_once_also_when_deliveries_share_a_record(redis: RedisClient) -> None:
    context = Context(redis, ShopRepository(redis, KeyRing(["0123456789abcdef" * 2])), Versions(redis))
    environment = DemoEnvironment(Sandbox().add_shop(org=ORG), context, RULES, Path())
    stats = Stats()
    counts = []
    for batch in (
        [delivery(1, "echo"), delivery(2), delivery(3, "echo")],
        [],
        [delivery(4, "echo")],
        [delivery(5)],
    ):
        if batch:
            await mark_dirty(redis, ORG, batch, lane="live")
        await stats.update(environment)
        counts.append(stats.echoes)

    assert counts == [2, 2, 3, 3]
