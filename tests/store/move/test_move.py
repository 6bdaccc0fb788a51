"""A move of all data to another store: everything arrives, nothing is written twice, and a kill at any step is repaired."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from service.domain.customers.customer import OrgId
from service.errors import Refused
from service.store.client import RedisClient, Store, keys
from service.store.client.connection import connect
from service.store.encryption import KeyRing
from service.store.history import audit_log
from service.store.move import MoveTakenOver, cancel_move, follow, marks, move, plan_move
from service.store.move.copying import Copier, scan_keys
from service.store.move.fence import is_fenced, raise_fence
from service.store.servers import NoReplicas
from tests.support import canaries
from tests.support.actors import LAN
from tests.support.cluster import cluster
from tests.support.valkey import valkey

ORGS = [OrgId(str(number)) for number in range(1_000_000_001, 1_000_000_013)]
KEYRING = KeyRing((canaries.SECRET_KEY,))


@pytest.fixture(scope="module")
def cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with cluster(tmp_path_factory.mktemp("cluster"), replicas=0) as url:
        yield url


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with valkey(tmp_path_factory.mktemp("server")) as url:
        yield url


@pytest.fixture(scope="module")
def queue_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with valkey(tmp_path_factory.mktemp("queue")) as url:
        yield url


@dataclass(frozen=True, slots=True)
class Stores:
    """The old and the new store. `queue_url` is beside both."""

    source: Store
    target: Store
    source_url: str
    target_url: str
    queue_url: str

    async def move(self, **options: object) -> None:
        await move(self.source, self.target_url, keyring=KEYRING, by=LAN, **options)  # type: ignore[arg-type]

    async def contents(self, store: Store) -> dict[bytes, object]:
        """All keys with their values and whether they end, but for what was executed within the last minute."""
        found: dict[bytes, object] = {}
        async for page in scan_keys(store):
            for key in page:
                if b":transaction:" in key:
                    continue
                found[key] = (await value_of(store, key), await store.pttl(key) > 0)
        return found


async def value_of(store: RedisClient, key: bytes) -> object:
    match await store.type(key):
        case b"hash":
            return await store.hgetall(key)
        case b"stream":
            return await store.xrange(key)
        case b"zset":
            return await store.zrange(key, 0, -1, withscores=True)
        case b"set":
            return await store.smembers(key)
        case b"list":
            return await store.lrange(key, 0, -1)
    return await store.get(key)


BOTH_WAYS = pytest.mark.parametrize("stores", ["to a cluster", "to one server"], indirect=True)


@pytest.fixture
async def stores(
    request: pytest.FixtureRequest,
    server_url: str,
    cluster_url: str,
    queue_url: str,
) -> AsyncIterator[Stores]:
    source_url, target_url = server_url, cluster_url
    if getattr(request, "param", "") == "to one server":
        source_url, target_url = cluster_url, server_url
    async with (
        connect(source_url, timeout_s=60, patience_s=0.1) as source,
        connect(target_url, timeout_s=60) as target,
    ):
        for store in (source, target):
            for server in await store.servers():
                await server.config_set("min-replicas-to-write", 0)
            await store.flushall()
        await fill(source)
        yield Stores(source, target, source_url, target_url, queue_url)


async def fill(store: Store) -> None:
    """A shop with every kind of key in many partitions, and the marks of the store itself."""
    async with store.pipeline(transaction=False) as pipe:
        for key in keys.of_partitions("store"):
            pipe.hset(
                key, mapping={"id": "of this data", "layout": keys.LAYOUT, "run_id": "of the old server"}
            )
        for org in ORGS:
            pipe.hset(keys.shop(org, "shop"), mapping={"name": "Hoa"})
            pipe.sadd(keys.partition_key(org, "shops"), org)
            pipe.set(keys.shop(org, "generation_seq"), 7)
            pipe.set(keys.shop(org, "lease"), "token", px=60_000)
            pipe.zadd(keys.shop(org, "ready:live"), {"1": 1, "2": 2})
            pipe.rpush(keys.shop(org, "working_copy_undo"), "a", "b")
            pipe.xadd(keys.shop(org, "ledger"), {"e": "1"}, id="1-1")
            pipe.hset(keys.shop(org, "snapshots"), mapping={str(number): "x" * 50 for number in range(100)})
        await pipe.execute()


@BOTH_WAYS
async def test_everything_arrives_with_its_lifetime(stores: Stores) -> None:
    before = await stores.contents(stores.source)

    result = await move(stores.source, stores.target_url, keyring=KEYRING, by=LAN)

    after = await stores.contents(stores.target)
    audit = keys.shop("service", "audit").encode()
    assert after.pop(audit)
    assert after == before
    assert result.keys >= len(before)
    assert await stores.target.hget(keys.of_partition(5, "store"), "id") == b"of this data"
    assert not await stores.target.hexists(keys.of_partition(5, "store"), "arriving")
    [entry] = await audit_log.list_entries(stores.target)
    assert entry.entry.action == "move_store"


async def test_the_old_store_refuses_writes_afterwards(stores: Stores) -> None:
    await stores.move()

    with pytest.raises(NoReplicas):
        await stores.source.set(keys.shop(ORGS[0], "generation_seq"), 8)


async def test_a_client_follows(stores: Stores) -> None:
    await stores.move()

    assert await follow(stores.source, KEYRING)

    await stores.source.set(keys.shop(ORGS[0], "generation_seq"), 8)
    assert await stores.target.get(keys.shop(ORGS[0], "generation_seq")) == b"8"


async def test_nobody_follows_a_move_that_is_not_complete(stores: Stores) -> None:
    departure = marks.Departure(stores.target_url, "token")
    await marks.begin_arrival(stores.target, token="token", store_id="of this data")
    await marks.announce_departure(stores.source, KEYRING, departure)

    assert not await follow(stores.source, KEYRING, wait_s=0)


@BOTH_WAYS
async def test_changes_of_the_time_of_the_copying_arrive(stores: Stores) -> None:
    changing = asyncio.create_task(change(stores.source))

    await stores.move()

    written, deleted = await changing
    for org in ORGS:
        assert int(await stores.target.get(keys.shop(org, "generation_seq")) or 0) == written[org]
        assert not await stores.target.exists(*(keys.shop(org, f"mark:{number}") for number in deleted[org]))


async def change(store: Store) -> tuple[dict[OrgId, int], dict[OrgId, list[int]]]:
    """Count in every shop, and write and delete marks, until the store refuses it. What was confirmed counts."""
    written = dict.fromkeys(ORGS, 7)
    deleted: dict[OrgId, list[int]] = {org: [] for org in ORGS}
    for round_number in range(1_000_000):
        org = ORGS[round_number % len(ORGS)]
        try:
            await store.set(keys.shop(org, f"mark:{round_number}"), 1)
            await store.incr(keys.shop(org, "generation_seq"))
            written[org] += 1
            await store.delete(keys.shop(org, f"mark:{round_number}"))
            deleted[org].append(round_number)
        except NoReplicas:
            break
    return written, deleted


@pytest.mark.parametrize("stage", ["copying", "catching_up", "fenced"])
async def test_a_move_that_ends_early_gives_the_store_back(stores: Stores, stage: str) -> None:
    def stop(now: str, *_: int) -> None:
        if now == stage:
            raise RuntimeError(stage)

    with pytest.raises(RuntimeError):
        await stores.move(on_progress=stop)

    await stores.source.set(keys.shop(ORGS[0], "generation_seq"), 8)  # writes are accepted
    assert await marks.load_departure(stores.source, KEYRING) is None
    await stores.move()
    assert await stores.target.get(keys.shop(ORGS[0], "generation_seq")) == b"8"


@BOTH_WAYS
async def test_a_move_is_taken_up_after_a_kill_in_the_fence(stores: Stores) -> None:
    await marks.begin_arrival(stores.target, token="killed", store_id="of this data")
    await stores.target.hset(keys.shop(ORGS[0], "snapshots"), "of an earlier copy", "x")
    await stores.target.set(keys.shop(ORGS[0], "no longer there"), "x")
    await marks.announce_departure(stores.source, KEYRING, marks.Departure(stores.target_url, "killed"))
    await raise_fence(stores.source)

    await stores.move()

    assert await stores.target.hlen(keys.shop(ORGS[0], "snapshots")) == 100
    assert not await stores.target.exists(keys.shop(ORGS[0], "no longer there"))
    assert await follow(stores.source, KEYRING)


async def test_an_attempt_that_was_taken_over_writes_nothing_any_more(stores: Stores) -> None:
    await marks.begin_arrival(stores.target, token="first", store_id="of this data")
    first = Copier(stores.source, stores.target, "first")
    await stores.move()
    await stores.target.set(keys.shop(ORGS[0], "generation_seq"), 99)

    with pytest.raises(MoveTakenOver):
        await first.copy([keys.shop(ORGS[0], "generation_seq").encode()])

    assert await stores.target.get(keys.shop(ORGS[0], "generation_seq")) == b"99"
    assert not await marks.complete_arrival(stores.target, token="first", identities={})


async def test_a_cancelled_move_leaves_no_copies(stores: Stores) -> None:
    with pytest.raises(RuntimeError):
        await stores.move(on_progress=raise_in_copying)
    await marks.announce_departure(stores.source, KEYRING, marks.Departure(stores.target_url, "killed"))
    await raise_fence(stores.source)

    assert await cancel_move(stores.source, stores.target_url, by=LAN)

    assert not await stores.contents(stores.target)
    assert not await is_fenced(stores.source)
    assert await marks.load_departure(stores.source, KEYRING) is None


def raise_in_copying(*_: object) -> None:
    raise RuntimeError


async def test_a_complete_move_is_not_cancelled(stores: Stores) -> None:
    await stores.move()

    with pytest.raises(Refused):
        await cancel_move(stores.source, stores.target_url, by=LAN)
    assert await is_fenced(stores.source)


async def test_a_store_with_other_data_is_refused(stores: Stores) -> None:
    await stores.target.set(keys.shop(ORGS[0], "generation_seq"), 1)

    with pytest.raises(Refused, match="data already"):
        await plan_move(stores.source, stores.target, durability="everysec", queue_url=stores.queue_url)


async def test_what_a_move_would_do_is_said_before(stores: Stores) -> None:
    plan = await plan_move(stores.source, stores.target, durability="everysec", queue_url=stores.queue_url)

    assert (plan.is_complete, plan.shops, plan.servers) == (False, len(ORGS), 3)
    assert not await stores.contents(stores.target)


async def test_arqs_redis_must_be_beside_the_old_store(stores: Stores) -> None:
    for queue_url in ("", stores.source_url):
        with pytest.raises(Refused, match="QUEUE_URL"):
            await plan_move(stores.source, stores.target, durability="everysec", queue_url=queue_url)


async def test_a_new_store_that_would_lose_webhooks_is_refused(stores: Stores) -> None:
    with pytest.raises(Refused, match="appendfsync"):
        await plan_move(stores.source, stores.target, durability="fsync", queue_url=stores.queue_url)


async def test_the_data_is_where_it_is(stores: Stores) -> None:
    plan = await plan_move(stores.source, stores.source, durability="everysec", queue_url="")

    assert plan.is_complete
