"""What an entry of the ledger costs the store: 100,000 of them for 20,000 customers, written by the real settlement.

    python -m tests.bench.ledger [--entries 100000] [--customers 20000]

The demo's rules decide on customers who change at random; three in four entries come of webhooks. The same is done
twice, once without the entries: what is left is theirs, the index by customer included. Bar: 200 bytes of memory
an entry. Printed beside it: its share of the append-only file, as it is written and once the file is rewritten.
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
from arq.connections import ArqRedis

from service.domain.customers.customer import Customer, CustomerId, OrgId
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
from service.store.client.connection import connect
from service.store.history import ledger
from service.store.queue import dirty
from service.store.queue.lease import LeaseManager, ShopLease
from service.store.queue.rate_limiter import RateLimiter
from service.store.queue.settlement import Mark, Settlement
from tests.bench.evaluation import NOW_MS, customer
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
    """What the store holds, in bytes."""

    memory: int
    log: int
    rewritten: int


@dataclass(slots=True)
class Crowd:
    """Customers with their background, and the moment, which is moved by the round."""

    compiled: CompiledRules
    dice: random.Random
    backgrounds: dict[int, StoredState]
    now_ms: int = NOW_MS

    def items(self, taken: Sequence[Mark]) -> Iterator[Settlement]:
        """Each customer changed at random, decided on and written."""
        batch = BatchContext(self.compiled, 7, self.now_ms, self.compiled.local_day(self.now_ms))
        for mark in taken:
            background = self.backgrounds.get(mark.customer, StoredState())
            tags = tuple(one.tag for one in background.state.ownership.values())
            changed = msgspec.structs.replace(self._changed(mark.customer), tags=tags)
            judged = evaluate_customer(MarkContext(), CustomerRecord(changed, frozenset()), background, batch)
            if isinstance(judged, WriteNeeded):
                self.backgrounds[mark.customer] = judged.result.stored
                plan = settlement.settlement_for(mark, judged, version=7, now_ms=self.now_ms).plan or b""
                yield settlement.after_success(mark, settlement.decode_plan(plan))

    def _changed(self, number: int) -> Customer:
        return msgspec.structs.replace(customer(number, self.dice), updated_ms=self.now_ms)


async def write(redis: ArqRedis, *, entries: int, customers: int, kept: bool) -> int:
    """Settle until there were so many entries; `kept`: they are sent along. The number of them."""
    dice = random.Random(SEED)  # the same crowd each time
    crowd = Crowd(compile_rules(parse_rules(RULES.read_text())), dice, {})
    turns = LeaseManager(redis, rate_limiter=RateLimiter(redis), clock_ms=lambda: crowd.now_ms)
    turn = await turns.acquire(ORG, token="bench")
    assert turn is not None  # nobody else is here
    written, at = 0, 0
    while written < entries:
        ids = [FIRST + 37 * ((at + n) % customers) for n in range(BATCH)]
        written += await _batch(redis, turn, crowd, ids, most=entries - written, kept=kept)
        at += BATCH
        if at % customers < BATCH:
            crowd.now_ms += 9 * 86_400_000
            turn = await _renewed(turns)
    return written


async def _renewed(turns: LeaseManager) -> ShopLease:
    turn = await turns.acquire(ORG, token="bench")
    assert turn is not None  # the lease of the last round ran out days ago
    return turn


async def _batch(
    redis: ArqRedis, turn: ShopLease, crowd: Crowd, ids: Sequence[int], *, most: int, kept: bool
) -> int:
    if crowd.dice.random() < 0.75:
        events = [
            dirty.DirtyEvent(
                str(each), identity=each.to_bytes(8) + crowd.now_ms.to_bytes(8), record=b"x" * 60
            )
            for each in ids
        ]
        await dirty.mark_dirty(redis, ORG, events, lane="live", now_ms=crowd.now_ms)
    else:
        known = [CustomerId(each) for each in ids]
        await dirty.mark_dirty_customers(
            redis, ORG, known, cause=crowd.dice.choice(CAUSES), now_ms=crowd.now_ms
        )
    taken, _ = await turn.dequeue()
    items = [*crowd.items(taken)]
    count = 0
    for place, item in enumerate(items):
        some = (item.ledger_entries or [])[: most - count]
        count += len(some)
        items[place] = msgspec.structs.replace(item, ledger_entries=some if kept else None)
    await turn.settle(items, today=0)
    return count


async def measure(*, entries: int, customers: int, kept: bool) -> Size:
    with tempfile.TemporaryDirectory() as folder, valkey(Path(folder)) as url:
        redis = connect(url)
        client: Any = redis
        await client.config_set("appendfsync", "no")  # how much is written, not how fast
        await write(redis, entries=entries, customers=customers, kept=kept)
        if kept:
            taken = [one.entry.action == "-" async for one in ledger.iterate(redis, ORG)]
            assert len(taken) == entries, f"{len(taken)} entries were kept"
            print(f"  {sum(taken) / len(taken):.0%} of the entries are of tags that were taken")
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
    good = memory <= BAR_BYTES
    print(
        f"{entries:,} entries of {customers:,} customers: {memory:.0f} bytes of memory each  "
        f"bar {BAR_BYTES:.0f}  {'pass' if good else 'FAIL'}"
    )
    print(f"  in the append-only file {log:.0f} bytes each as written, {rewritten:.0f} once it is rewritten")
    return good


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--customers", type=int, default=20_000)
    asked = parser.parse_args()
    return 0 if asyncio.run(compare(entries=asked.entries, customers=asked.customers)) else 1


if __name__ == "__main__":
    sys.exit(main())
