"""How long the pages of what happens take with 100,000 customers, and how long a replay takes to count its customers.

Bars: every page at most 150 ms at p95; 10,000 matching deliveries among 100,000 are counted within 1 s. The shop has 50,000
ledger entries and a record for each of 400 days. One person asks for one page after the other.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import httpx2
import uvloop

from service.context import Context
from service.domain.access import Role, shell_user
from service.domain.customers import CustomerId, OrgId
from service.domain.documents import parse_rules
from service.domain.sync import DeliveryRecord, encode_delivery
from service.operations import Selection, count_replay
from service.store import past
from service.store.client import connect
from service.store.encryption import KeyRing
from service.store.history import DayCounts, DeliveryFilter, LedgerEntry, TagChanges, TagOfRule, encode_entry
from service.store.past import Past, PastDelivery, PastSettlement
from service.store.queue import DirtyEvent
from service.store.rules import Versions
from service.store.shops import ShopRepository, save_first_look
from tests.bench.evaluation import RULES, customer
from tests.bench.load import ORG
from tests.bench.report import percentile, report
from tests.bench.servers import valkey, web
from tests.support.customers import store_customers
from tests.support.shop import KEY
from tests.support.visitors import Visitor, visit_as

PAGE_MS, COUNT_S = 150.0, 1.0
SHARE = 0.95
TIMES, WARM_UPS = 40, 6
ENTRIES, DELIVERIES, MATCHES = 50_000, 100_000, 10_000
SHOP: Final = f"/shops/{ORG}"
GETS: Final = {
    "the shops": "/shops",
    "the overview": SHOP,
    "the health strip": f"{SHOP}/strip",
    "the health": f"{SHOP}/health",
    "the search": f"{SHOP}/customers",
    "a customer": f"{SHOP}/customers/77",
    "a customer by another version": f"{SHOP}/customers/77?v=1&on=01/01/2027",
    "the activity": f"{SHOP}/activity",
    "the activity of a tag": f"{SHOP}/activity?tag=VIP&show=tags",
    "the charts": f"{SHOP}/activity/load",
    "the charts of 400 days": f"{SHOP}/activity/load?days=400",
    "the webhooks": f"{SHOP}/deliveries",
    "the webhooks of a topic": f"{SHOP}/deliveries?topic=orders/paid",
    "the dead letters": f"{SHOP}/deliveries/dead",
    "the replays": f"{SHOP}/replay",
}


def made_up_past(now_ms: int) -> Past:
    """Deliveries, of which every tenth is an order, and ledger entries, within twenty days."""
    span_ms, digest = 20 * 86_400_000, b"d" * 32
    orders = DELIVERIES // MATCHES
    deliveries = [
        PastDelivery(
            now_ms - span_ms + index * (span_ms // DELIVERIES),
            DirtyEvent(
                str(index % 40_000 + 1),
                identity=b"%d" % index,
                record=encode_delivery(
                    DeliveryRecord("customers/update" if index % orders else "orders/paid", digest, 4_000)
                ),
            ),
            "marked",
        )
        for index in range(DELIVERIES)
    ]
    entry = encode_entry(LedgerEntry("+", "VIP", "vip", 1, "delivery", {"total_spent": 12_000_000_0000}))
    settlements = [
        PastSettlement(
            now_ms - span_ms + index * (span_ms // ENTRIES),
            CustomerId(index % 100_000 + 1),
            b"",
            b"",
            b"",
            ledger_entries=(entry,),
        )
        for index in range(ENTRIES)
    ]
    today = now_ms // 86_400_000 + 719_163
    changes = {TagOfRule("vip", "VIP"): TagChanges(120, 8)}
    days = [
        DayCounts(today - back, changes, 900, 200, 40, 3, 100_000, {"VIP": 22_000 + back})
        for back in range(400)
    ]
    return Past(settlements, deliveries, days)


async def measure(url: str, port: int, customers: int) -> bool:
    """Store everything, ask for every page, and count."""
    redis, org = connect(url), OrgId(ORG)
    shops, rng = ShopRepository(redis, KeyRing((KEY,))), random.Random(1)
    context = Context(redis, shops, Versions(redis))
    await past.save(redis, org, made_up_past(await context.now_ms()))
    await store_customers(redis, shops, org, [customer(each + 1, rng) for each in range(customers)])
    await save_first_look(redis, org, "complete")
    rules = parse_rules(RULES.read_text(encoding="utf-8"))
    await context.versions.publish(org, rules, author="bench", parent=0)
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
        visitor = await visit_as(client, redis, Role.OWNER)
        passes = all([await _timed(client, visitor, name, path) for name, path in GETS.items()])
    selection = Selection(deliveries=DeliveryFilter(topics=("orders/paid",)))
    started = time.perf_counter()
    run = await count_replay(context, org, selection, by=shell_user("bench"))
    took_s = time.perf_counter() - started
    await redis.aclose()
    return report(f"counting {run.deliveries} deliveries", took_s, "s", at_most=COUNT_S) and passes


async def _timed(client: httpx2.AsyncClient, visitor: Visitor, name: str, path: str) -> bool:
    durations: list[float] = []
    for turn in range(WARM_UPS + TIMES):
        started = time.perf_counter()
        answer = await client.get(path, headers=visitor.headers())
        answer.raise_for_status()
        if turn >= WARM_UPS:
            durations.append((time.perf_counter() - started) * 1000)
    median = percentile(durations, 0.5)
    return report(f"{name}, p95 (p50 {median:.0f} ms)", percentile(durations, SHARE), "ms", at_most=PAGE_MS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=100_000)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        valkey(Path(folder)) as url,
        web(url, variant="ours", environ={"SECRET_KEY": KEY}) as (port, _),
    ):
        return 0 if uvloop.run(measure(url, port, options.customers)) else 1


if __name__ == "__main__":
    sys.exit(main())
