"""What an entry of the ledger costs the store: 100,000 of them for 20,000 customers, written by the real settlement.

The demo's rules decide on customers that change at random; webhooks cause three of four entries. The run is repeated
without the entries. The difference is theirs, with the index by customer. Bar: 200 bytes of memory for each entry.
The benchmark also prints their share of the append-only file, as written and after a rewrite.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from service.domain.customers.customer import Customer, CustomerId, OrgId, encode_snapshot
from service.domain.customers.records import CustomerRecord
from service.domain.documents.parser import parse_rules
from service.domain.engine.compiled import CompiledRules
from service.domain.engine.compiler import compile_rules
from service.domain.sync.evaluate import (
    BatchContext,
    MarkContext,
    StoredState,
    WriteNeeded,
    evaluate_customer,
)
from service.store.client import RedisClient
from service.store.client.connection import connect
from service.store.history import ledger
from service.store.queue import dirty
from service.store.queue.lease import LeaseManager, ShopLease
from service.store.queue.rate_limiter import RateLimiter
from service.store.queue.settlement import Mark, Settlement
from tests.bench.evaluation import NOW_MS, customer
from tests.bench.report import report
from tests.bench.servers import valkey
from workers.drain import settlement

BAR_BYTES = 200.0
RULES = Path(__file__).parents[2] / "deploy/rules/demo.yaml"
ORG = OrgId("1000000001")
FIRST = 1_020_300_000  # ids as long as Haravan's
CAUSES = ("publish:42", "schedule", "backfill:R1")
BATCH = 50
SEED = 11


class Size(NamedTuple):
    """The size of the store in bytes."""

    memory: int
    log: int
    rewritten: int


@dataclass(slots=True)
class Population:
    """Customers with their stored state, and a clock that every round moves."""

    compiled: CompiledRules
    rng: random.Random
    states: dict[int, StoredState]
    now_ms: int = NOW_MS

    def items(self, marks: Sequence[Mark]) -> Iterator[Settlement]:
        """Change every customer at random, decide, and execute the plan."""
        batch = BatchContext(self.compiled, 7, self.now_ms, self.compiled.local_day(self.now_ms))
        for mark in marks:
            state = self.states.get(mark.customer, StoredState())
            tags = tuple(ownership.tag for ownership in state.state.ownership.values())
            changed = msgspec.structs.replace(self._changed(mark.customer), tags=tags)
            outcome = evaluate_customer(MarkContext(), CustomerRecord(changed), state, batch)
            if isinstance(outcome, WriteNeeded):
                self.states[mark.customer] = outcome.result.stored
                plan = (
                    settlement.settlement_for(
                        mark, outcome, version=7, now_ms=self.now_ms, seal=encode_snapshot
                    ).plan
                    or b""
                )
                yield settlement.after_success(mark, settlement.decode_plan(plan))

    def _changed(self, number: int) -> Customer:
        return msgspec.structs.replace(customer(number, self.rng), updated_ms=self.now_ms)


async def write(redis: RedisClient, *, entries: int, customers: int, kept: bool) -> int:
    """Settle until there are so many entries, and store them if `kept`. The number of entries."""
    rng = random.Random(SEED)  # the same customers in both runs
    population = Population(compile_rules(parse_rules(RULES.read_text())), rng, {})
    leases = LeaseManager(redis, rate_limiter=RateLimiter(redis), clock_ms=lambda: population.now_ms)
    lease = await leases.acquire(ORG, token="bench")
    assert lease is not None  # no other process runs
    written, at = 0, 0
    while written < entries:
        ids = [FIRST + 37 * ((at + n) % customers) for n in range(BATCH)]
        written += await _batch(redis, lease, population, ids, limit=entries - written, kept=kept)
        at += BATCH
        if at % customers < BATCH:
            population.now_ms += 9 * 86_400_000
            lease = await _acquire(leases)
    return written


async def _acquire(leases: LeaseManager) -> ShopLease:
    lease = await leases.acquire(ORG, token="bench")
    assert lease is not None  # the lease of the last round expired days ago
    return lease


async def _batch(
    redis: RedisClient,
    lease: ShopLease,
    population: Population,
    ids: Sequence[int],
    *,
    limit: int,
    kept: bool,
) -> int:
    if population.rng.random() < 0.75:
        events = [
            dirty.DirtyEvent(
                str(customer), identity=customer.to_bytes(8) + population.now_ms.to_bytes(8), record=b"x" * 60
            )
            for customer in ids
        ]
        await dirty.mark_dirty(redis, ORG, events, lane="live", now_ms=population.now_ms)
    else:
        known = [CustomerId(customer) for customer in ids]
        await dirty.mark_dirty_customers(
            redis, ORG, known, cause=population.rng.choice(CAUSES), now_ms=population.now_ms
        )
    marks, _ = await lease.dequeue()
    items = [*population.items(marks)]
    count = 0
    for place, item in enumerate(items):
        entries = (item.ledger_entries or [])[: limit - count]
        count += len(entries)
        items[place] = msgspec.structs.replace(item, ledger_entries=entries if kept else None)
    await lease.settle(items, today=0)
    return count


async def measure(*, entries: int, customers: int, kept: bool) -> Size:
    with tempfile.TemporaryDirectory() as folder, valkey(Path(folder)) as url:
        redis = connect(url)
        client: Any = redis
        await client.config_set("appendfsync", "no")  # how much is written, not how fast
        await write(redis, entries=entries, customers=customers, kept=kept)
        if kept:
            removals = [row.entry.action == "-" async for row in ledger.iterate(redis, ORG)]
            assert len(removals) == entries, f"{len(removals)} entries were kept"
            print(f"  {sum(removals) / len(removals):.0%} of the entries are removals")
        log = (await client.info("persistence"))["aof_current_size"]
        memory = (await client.info("memory"))["used_memory"]
        await client.bgrewriteaof()
        while (persistence := await client.info("persistence"))["aof_rewrite_in_progress"]:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        await redis.aclose()
    return Size(memory, log, persistence["aof_current_size"])


async def compare(*, entries: int, customers: int) -> bool:
    bare = await measure(entries=entries, customers=customers, kept=False)
    full = await measure(entries=entries, customers=customers, kept=True)
    memory, log, rewritten = ((more - less) / entries for less, more in zip(bare, full, strict=True))
    print(f"{entries:,} entries of {customers:,} customers")
    report("append-only file as written, for each", log, "bytes")
    report("append-only file after a rewrite, for each", rewritten, "bytes")
    return report("memory for each", memory, "bytes", at_most=BAR_BYTES)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--customers", type=int, default=20_000)
    options = parser.parse_args()
    return 0 if asyncio.run(compare(entries=options.entries, customers=options.customers)) else 1


if __name__ == "__main__":
    sys.exit(main())
