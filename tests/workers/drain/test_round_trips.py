"""The Redis round trips of a drain, counted on its connections to the store and to arq's Redis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from redis.asyncio.connection import AbstractConnection

from service.store.client.connection import connect
from service.store.servers.connection import Connection
from tests.workers.stage import ORG, TIERS, VIP, staged

MAX_ROUND_TRIPS = 16


@dataclass
class Counter:
    """How many commands and pipelines were sent."""

    sent: int = 0

    def count_store(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Count what leaves through the connections to the store."""
        for name in ("send", "send_batch"):
            monkeypatch.setattr(Connection, name, self._counted(getattr(Connection, name)))

    def _counted(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def count(*args: Any) -> Any:
            self.sent += 1
            return method(*args)

        return count

    def counting(self, kind: type[AbstractConnection]) -> type[AbstractConnection]:
        """A subclass of the connection that counts."""
        counter = self

        class Counting(kind):  # type: ignore[valid-type]
            async def send_packed_command(self, *args: Any, **options: Any) -> None:
                counter.sent += 1
                await super().send_packed_command(*args, **options)

        return Counting


@pytest.mark.parametrize(
    ("rules", "tags", "writes"),
    [pytest.param(VIP, "", 1, id="one tag"), pytest.param(TIERS, "Silver", 2, id="a swap")],
)
async def test_a_drain_takes_at_most_16_round_trips(
    redis_url: str,
    queue_url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    rules: str,
    tags: str,
    writes: int,
) -> None:
    redis, counter = connect(redis_url, queue_url=queue_url, timeout_s=60), Counter()
    counter.count_store(monkeypatch)
    arq = redis.queue.connection_pool
    arq.connection_class = counter.counting(arq.connection_class)
    await redis.flushall()
    async with staged(redis, rules=rules) as stage:
        for _ in range(2):  # the first one loads the scripts, compiles the rules and opens the connections
            customer = stage.haravan.create(total_spent=60_000_000, tags=tags)
            await stage.announce(customer)
            stage.clock.advance(60)
            calls, counter.sent = stage.wrote(), 0
            await stage.drain(ORG)
            round_trips, calls = counter.sent, stage.wrote() - calls

        assert not await stage.is_marked(customer)
    await redis.aclose()

    with capsys.disabled():
        print(f"\nRedis round trips of a drain with {writes} tag write(s): {round_trips}")
    assert calls == writes
    assert round_trips <= MAX_ROUND_TRIPS
