"""Every script touches one slot only: a server in cluster mode refuses other slots to scripts with a `#!lua` header."""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib import resources
from typing import Any

import msgspec
import pytest
from redis.exceptions import ResponseError

from deploy.local.wait import until
from service.domain.customers.customer import CustomerId, OrgId
from service.sentence import Sentence
from service.store.backup import Staging
from service.store.client import keys
from service.store.client.clock import handle_clock_step_back
from service.store.client.connection import Store, connect
from service.store.client.scripts import load_script
from service.store.history import audit_log
from service.store.history.retention import apply_retention
from service.store.queue.erasure import erase_customer
from service.store.servers.router import Router
from service.store.shops import deletion
from tests.support.actors import LAN
from tests.support.valkey import valkey
from tests.workers.stage import ORG, Stage, staged

STORE = resources.files("service.store")
SCRIPTS = {
    load_script(room, file.name.removesuffix(".lua")).sha: (room, file.name.removesuffix(".lua"))
    for room in ("queue", "customers", "history", "shops", "backup")
    for file in (STORE / room / "lua").iterdir()
    if not file.name.startswith("_")
}


class NoQueue:
    """In the place of arq's client, which needs many slots."""

    async def enqueue_job(self, *_: Any, **__: Any) -> None:
        return None


class StrictStore(Store):
    """Runs each script with the header and collects which were run. Enqueues no job."""

    def __init__(self, router: Router) -> None:
        super().__init__(router, "")
        self.ran: set[tuple[str, str]] = set()

    @property
    def queue(self) -> Any:
        return NoQueue()

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        script = SCRIPTS.get(args[1]) if args[0] == "EVALSHA" else None
        if script is None:  # also redis-py's own, of its locks: one key each
            return await super().execute_command(*args, **options)
        self.ran.add(script)
        text = load_script(*script).text
        header = "" if text.startswith("#!") else "#!lua\n"
        return await super().execute_command("EVAL", header + text, *args[2:])


@pytest.fixture(scope="module")
def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with valkey(tmp_path_factory.mktemp("cluster"), cluster=True) as url:
        yield url


@pytest.fixture
async def strict(cluster_url: str) -> AsyncIterator[StrictStore]:
    """A client of a server that owns all slots of its cluster."""
    node = connect(cluster_url, timeout_s=60)
    if (await node.execute_command("CLUSTER INFO"))["cluster_slots_assigned"] == "0":
        await node.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)

    async def is_up() -> bool:
        return bool((await node.execute_command("CLUSTER INFO"))["cluster_state"] == "ok")

    assert await until(is_up, within_s=60)
    await node.aclose()
    client = StrictStore(connect(cluster_url.replace("redis:", "redis+cluster:"), timeout_s=60).router)
    await client.flushall()
    yield client
    await client.aclose()


async def test_the_header_refuses_keys_of_another_slot(strict: StrictStore) -> None:
    other = next(OrgId(str(n)) for n in range(100) if keys.partition_of(str(n)) != keys.partition_of(ORG))
    text = "#!lua\nredis.call('GET', KEYS[1]) return redis.call('GET', ARGV[1])"

    with pytest.raises(ResponseError, match="slot"):
        await strict.eval(text, 2, *keys.of_script(ORG), keys.shop(other, "lease"))

    assert await strict.eval(text, 2, *keys.of_script(ORG), keys.partition_key(ORG, "due_shops")) is None


async def test_all_scripts_run_within_the_slot_of_their_shop(strict: StrictStore) -> None:
    async with staged(strict) as stage:
        await _drain(stage)
        await _sweep(stage)
        await stage.drain.leases.rate_limiter.acquire(ORG, lane="live")
        right = [CustomerId(99), b"\x80", ""]
        await load_script("customers", "snapshot_insert_missing")(strict, ORG, *right)
        await audit_log.record(strict, LAN, "pause", org=ORG, summary=Sentence("work paused"))
        await load_script("customers", "snapshot_replace")(strict, ORG, 99, b"\x80", b"\x81")
        await load_script("customers", "save_values")(strict, ORG, "owned", 99, b"\x80")
        await erase_customer(strict, ORG, CustomerId(99))
        await load_script("queue", "backlog")(strict, ORG)
        await load_script("queue", "drop_dead_letters")(
            strict, ORG, msgspec.msgpack.encode([("99", ["crash"])])
        )
        await stage.shops.pause(ORG, reason="manual", by="test")
        await stage.shops.resume(ORG)
        await apply_retention(strict, ORG, now_ms=stage.now_ms)
        await stage.shops.remove(ORG, erase=True)
        for _ in range(2):
            stage.clock.advance(deletion.RETRY_DELAY_MS / 1000)
            await stage.execute_jobs()
        assert await Staging(strict, OrgId("1000000002")).apply()

    assert strict.ran == set(SCRIPTS.values())
    assert await strict.keys(keys.shop(ORG, "*")) == []


async def _drain(stage: Stage) -> None:
    """A tag is written, a customer is right, one is gone twice, a call fails."""
    rich, poor = stage.haravan.create(total_spent=12_000_000), stage.haravan.create(total_spent=1)
    await stage.announce(rich)
    await stage.announce(poor)
    await stage.mark(404)
    await stage.turn(3)
    stage.clock.advance(700)
    await stage.turn()
    stage.haravan.faults.fail(502, next=1)
    await stage.mark(poor)
    await stage.turn(2)
    assert stage.haravan.tags(rich) == {"VIP"}
    assert await stage.ledger(rich) == ["+VIP"]


async def _sweep(stage: Stage) -> None:
    """A day comes, a wake-up is lost, and the clock is set back."""
    await stage.redis.zadd(stage.key("schedule"), {"7": 1})
    await stage.sweep.run()
    await stage.sweep.check_shops()
    await stage.housekeeping.run()
    await stage.sweep.wake_due_shops()

    async def earlier() -> int:
        return stage.now_ms - 3_600_000

    await stage.redis.set(keys.partition_key(ORG, "last_server_time"), stage.now_ms)
    assert await handle_clock_step_back(stage.redis, now_ms=earlier, orgs=stage.shops.orgs) == 3_600_000
