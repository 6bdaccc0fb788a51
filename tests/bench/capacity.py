"""How many servers, web processes and workers a number of shops needs: a model, and a real run that checks it.

The model is linear. Memory: a shop, a customer and a kept delivery take so many bytes each. CPU: a webhook costs the web
process, a worker and the store so much, as if no two webhooks of a shop came soon after each other: those that do share a
drain, and cost less. Every shop costs a little every second, also at rest, shared by all workers; and every worker costs a
little without any shop.

`python -m tests.bench.capacity` measures these costs with some hundred shops, computes what 2,000 shops should need, runs
2,000 shops, and prints model / measured. Then it prints the plan for the shops that were asked for. Bars: model / measured
from 0.8 to 1.25 for memory, and from 0.67 to 1.5 for CPU, whose costs a busy machine changes.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

import uvloop

from service.store.client import keys, load_partitions
from tests.bench.ingest import cpu_s
from tests.bench.load import FIRST_CUSTOMER, closed_loop, requests
from tests.bench.report import report
from tests.bench.system import System, running
from tests.support.wait import wait_until

LEAK_PER_S: Final = 400.0  # of each shop: the API must not be what limits
VIP_SPENT: Final = 20_000_000
VIP_EVERY: Final = 10  # every tenth customer gets a tag
REST_S: Final = 62.0  # two rounds of what workers do every 30 s, one of what they do every minute
DAY_S: Final = 86_400
GB: Final = 1e9
MIN_PROCESSES: Final = 2  # of each kind: one may be restarted
MEMORY_BAR: Final = (0.8, 1.25)
CPU_BAR: Final = (0.67, 1.5)
MAX_ERRORS: Final = 0.02  # on a busy machine; their customers are not marked

Pids = tuple[int, int, int]  # of the web process, the worker and the server


@dataclass(frozen=True, slots=True)
class Size:
    """A number of shops, and of customers in each."""

    shops: int
    customers: int

    @property
    def all_customers(self) -> int:
        return self.shops * self.customers


CALIBRATIONS: Final = (Size(100, 10), Size(500, 2))  # as many customers in more shops
CHECKED: Final = Size(2_000, 2)


@dataclass(frozen=True, slots=True)
class Costs:
    """What the model multiplies. Bytes are those of one server; each replica has them again."""

    base_bytes: float  # scripts, and what a server needs without any shop
    shop_bytes: float
    customer_bytes: float
    delivery_bytes: float
    web_us: float  # for each webhook
    worker_us: float  # for each webhook that marks a customer: fetch, decide, and sometimes write
    store_us: float  # for each webhook, and the drain that follows
    worker_shop_us: float  # each second for each shop at rest, shared by all workers
    store_shop_us: float  # the same in the store
    worker_rest_us: float  # each second in every worker, without any shop
    store_rest_us: float  # the same in the store, for every worker


@dataclass(frozen=True, slots=True)
class Usage:
    """What a system with one worker used, or what the model says."""

    memory_mb: float
    web_s: float  # CPU for two webhooks for each customer
    worker_s: float
    store_s: float
    worker_rest_s: float  # CPU of the rest of `REST_S`
    store_rest_s: float


# --- the model


def predict(costs: Costs, size: Size) -> Usage:
    """What a system with one worker uses: each customer has had two webhooks, and then all is at rest."""
    events = 2 * size.all_customers
    memory = (
        costs.base_bytes
        + size.shops * costs.shop_bytes
        + size.all_customers * costs.customer_bytes
        + events * costs.delivery_bytes
    )
    return Usage(
        memory / 1e6,
        events * costs.web_us / 1e6,
        events * costs.worker_us / 1e6,
        events * costs.store_us / 1e6,
        REST_S * (costs.worker_rest_us + size.shops * costs.worker_shop_us) / 1e6,
        REST_S * (costs.store_rest_us + size.shops * costs.store_shop_us) / 1e6,
    )


@dataclass(frozen=True, slots=True)
class Demand:
    """What must be served."""

    shops: int
    customers: int  # of a shop, on average
    events_per_s: float  # of all shops, at the peak
    average_share: float  # of the peak, over a day
    retention_days: int


@dataclass(frozen=True, slots=True)
class Limits:
    """How full a machine may be."""

    server_gb: float  # memory of a server
    memory_share: float = 0.6  # the rest is for a rewrite, a new replica, and growth
    store_share: float = 0.5  # of the one core that a server uses: a failover and a backup need room
    process_share: float = 0.6  # of the core of a web or worker process


@dataclass(frozen=True, slots=True)
class Plan:
    """What the demand needs."""

    memory_gb: float
    store_cores: float
    shards: int
    webs: int
    workers: int


def plan(costs: Costs, demand: Demand, limits: Limits) -> Plan:
    """The fewest shards and processes. A shard has as many servers as copies of the data are wanted."""
    deliveries = demand.events_per_s * demand.average_share * DAY_S * demand.retention_days
    memory_gb = (
        demand.shops * (costs.shop_bytes + demand.customers * costs.customer_bytes)
        + deliveries * costs.delivery_bytes
    ) / GB
    work_s = (demand.events_per_s * costs.worker_us + demand.shops * costs.worker_shop_us) / 1e6
    workers = math.ceil(work_s / (limits.process_share - costs.worker_rest_us / 1e6))
    store_cores = (
        demand.events_per_s * costs.store_us
        + demand.shops * costs.store_shop_us
        + workers * costs.store_rest_us
    ) / 1e6
    shards = max(
        math.ceil(memory_gb / (limits.server_gb * limits.memory_share)),
        math.ceil(store_cores / limits.store_share),
    )
    webs = math.ceil(demand.events_per_s * costs.web_us / 1e6 / limits.process_share)
    return Plan(memory_gb, store_cores, shards, max(MIN_PROCESSES, webs), max(MIN_PROCESSES, workers))


# --- the measurement


@dataclass(frozen=True, slots=True)
class Measured:
    """What a system used, and its memory before the first webhook of each customer, and after it."""

    size: Size
    usage: Usage
    memory_before_mb: float
    memory_after_one_mb: float


async def measure(size: Size) -> Measured:
    """Two webhooks for each customer, in a system with one worker."""
    async with running(shops=size.shops, leak_per_s=LEAK_PER_S, echo=False, subscribe=False) as system:
        for shop in system.shops:
            for number in range(size.customers):
                spent = VIP_SPENT if number % VIP_EVERY == 0 else 1_000_000
                shop.create(id=FIRST_CUSTOMER + number, total_spent=spent)
            shop.deliveries.clear()
        pids = (system.web_pid, system.worker_pids[0], (await system.redis.info("server"))["process_id"])
        rest = await _rest(pids)
        memory_before_mb = await _memory_mb(system)
        once = await _send_all(system, size, pids, start=0)
        memory_after_one_mb = await _memory_mb(system)
        again = await _send_all(system, size, pids, start=size.all_customers)
        memory_now_mb = await _memory_mb(system)
    took_s = once.took_s + again.took_s
    usage = Usage(
        memory_now_mb,
        once.web_s + again.web_s - took_s * rest.web_s / rest.took_s,
        once.worker_s + again.worker_s - took_s * rest.worker_s / rest.took_s,
        once.store_s + again.store_s - took_s * rest.store_s / rest.took_s,
        rest.worker_s,
        rest.store_s,
    )
    return Measured(size, usage, memory_before_mb, memory_after_one_mb)


@dataclass(frozen=True, slots=True)
class _Span:
    """CPU of the processes in a time."""

    took_s: float
    web_s: float
    worker_s: float
    store_s: float


async def _send_all(system: System, size: Size, pids: Pids, *, start: int) -> _Span:
    """Send one webhook for each customer, and wait until all are evaluated and written."""
    orgs = [shop.org for shop in system.shops]
    ready = list(requests(size.all_customers, customers=size.customers, start=start, orgs=orgs))
    async with _measured(pids) as spans:
        run = await closed_loop(system.port, ready, connections=8)
        if run.errors > MAX_ERRORS * len(ready):
            sys.exit(f"{run.errors} answers were not 200: the machine or its disk is busy")
        await wait_until(lambda: _is_drained(system), timeout_s=1800, interval_s=1)
    return spans[0]


async def _rest(pids: Pids) -> _Span:
    """All shops at rest."""
    await asyncio.sleep(5)
    async with _measured(pids) as spans:
        await asyncio.sleep(REST_S)
    return spans[0]


@asynccontextmanager
async def _measured(pids: Pids) -> AsyncIterator[list[_Span]]:
    spans: list[_Span] = []
    started_s, before = time.monotonic(), [cpu_s(pid) for pid in pids]
    yield spans
    web, worker, store = (cpu_s(pid) - was for pid, was in zip(pids, before, strict=True))
    spans.append(_Span(time.monotonic() - started_s, web, worker, store))


async def _is_drained(system: System) -> bool:
    """Whether no shop has work. Asking for every backlog would be work, too."""
    due = await load_partitions(
        system.redis, lambda pipe, number: pipe.zcard(keys.of_partition(number, "due_shops"))
    )
    return not any(due.values())


async def _memory_mb(system: System) -> float:
    memory: dict[str, Any] = await system.redis.info("memory")
    return float(memory["used_memory_dataset"]) / 1e6


def calibrate(few: Measured, many: Measured) -> Costs:
    """The costs from two runs with as many customers in a different number of shops."""
    customers, more = few.size.all_customers, many.size.shops - few.size.shops
    assert customers == many.size.all_customers
    runs = (few, many)

    def mean(figure: Callable[[Measured], float]) -> float:
        return statistics.fmean(map(figure, runs))

    delivery_mb = mean(lambda run: run.usage.memory_mb - run.memory_after_one_mb)
    shop_mb = (many.usage.memory_mb - few.usage.memory_mb) / more
    new_shop_mb = (many.memory_before_mb - few.memory_before_mb) / more
    base_mb = few.memory_before_mb - few.size.shops * new_shop_mb
    worker_shop_s = (many.usage.worker_rest_s - few.usage.worker_rest_s) / more
    store_shop_s = (many.usage.store_rest_s - few.usage.store_rest_s) / more
    return Costs(
        base_bytes=1e6 * base_mb,
        shop_bytes=1e6 * shop_mb,
        customer_bytes=1e6
        * (few.usage.memory_mb - base_mb - few.size.shops * shop_mb - 2 * delivery_mb)
        / customers,
        delivery_bytes=1e6 * delivery_mb / customers,
        web_us=1e6 * mean(lambda run: run.usage.web_s) / customers / 2,
        worker_us=1e6
        * many.usage.worker_s
        / customers
        / 2,  # in `few`, webhooks share the drains of their shop
        store_us=1e6 * many.usage.store_s / customers / 2,
        worker_shop_us=1e6 * worker_shop_s / REST_S,
        store_shop_us=1e6 * store_shop_s / REST_S,
        worker_rest_us=1e6 * (few.usage.worker_rest_s - few.size.shops * worker_shop_s) / REST_S,
        store_rest_us=1e6 * (few.usage.store_rest_s - few.size.shops * store_shop_s) / REST_S,
    )


# --- the output


def compare(model: Usage, measured: Usage) -> bool:
    """Print the model beside the measurement."""
    passes = True
    for item in fields(Usage):
        said, was = getattr(model, item.name), getattr(measured, item.name)
        print(f"  {item.name:<16} model {said:9.2f}   measured {was:9.2f}", flush=True)
        low, high = MEMORY_BAR if item.name == "memory_mb" else CPU_BAR
        passes &= report(
            f"{item.name}: model / measured", said / max(was, 0.01), "", at_least=low, at_most=high
        )
    return passes


def show(costs: Costs, demand: Demand, limits: Limits) -> None:
    """Print the costs and the plan."""
    for name, value in asdict(costs).items():
        print(f"  {name:<16} {value:12,.1f}")
    needed = plan(costs, demand, limits)
    print(
        f"{demand.shops:,} shops with {demand.customers:,} customers each, {demand.events_per_s:,.0f} webhooks a second at "
        f"the peak, {demand.retention_days} days of deliveries:\n"
        f"  memory           {needed.memory_gb:12,.1f} GB, and the same for the replicas\n"
        f"  store CPU        {needed.store_cores:12,.1f} cores at the peak\n"
        f"  servers          {needed.shards:12,} shards of {limits.server_gb:g} GB, {2 * needed.shards:,} servers with replicas\n"
        f"  web processes    {needed.webs:12,}\n"
        f"  workers          {needed.workers:12,}"
    )


async def check() -> tuple[Costs, bool]:
    """Measure the costs, and compare the model with a real run."""
    runs = []
    for size in CALIBRATIONS:
        print(f"{size.shops:,} shops with {size.customers} customers …", flush=True)
        runs.append(await measure(size))
    costs = calibrate(*runs)
    print(f"{CHECKED.shops:,} shops with {CHECKED.customers} customers …", flush=True)
    return costs, compare(predict(costs, CHECKED), (await measure(CHECKED)).usage)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shops", type=int, default=1_000_000)
    parser.add_argument("--customers", type=int, default=200, help="of a shop, on average")
    parser.add_argument(
        "--events", type=float, default=5_000, help="webhooks a second of all shops at the peak"
    )
    parser.add_argument("--average", type=float, default=0.25, help="share of the peak, over a day")
    parser.add_argument("--retention", type=int, default=30, help="days for which deliveries are kept")
    parser.add_argument("--server-gb", type=float, default=64, help="memory of a server")
    options = parser.parse_args()
    costs, passes = uvloop.run(check())
    demand = Demand(options.shops, options.customers, options.events, options.average, options.retention)
    show(costs, demand, Limits(options.server_gb))
    return 0 if passes else 1


if __name__ == "__main__":
    sys.exit(main())
