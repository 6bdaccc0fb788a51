"""The usual first version of such a service beside this one, on the same events in the same run.

The baseline: a Starlette handler enqueues one arq job for each webhook; the job GETs the customer, decides, POSTs the
tag (httpx2), and on a 429 waits as long as `Retry-After` says. Both get the same orders, the same slow API and the same time.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
import uvloop
from arq import Worker, create_pool
from arq.connections import RedisSettings
from arq.worker import func
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from deploy.sandbox import Sandbox, ShopHandle, serve
from tests.bench.load import SECRET
from tests.bench.servers import valkey
from tests.bench.system import running
from tests.support.ports import free_port
from tests.support.wait import wait_for_port

CUSTOMERS = 400
LEAK_PER_S = 40.0  # ten times Haravan's: the ratio of calls does not depend on it
TIMEOUT_S = 120.0
THRESHOLD = 10_000_000


async def play(shop: ShopHandle, ids: list[int], events: int) -> None:
    """The same orders for both, 400 a second; some customers cross the threshold."""
    rng = random.Random(5)
    for number in range(events):
        shop.order(rng.choice(ids), rng.choice([100_000, 400_000, 2_500_000]))
        if number % 20 == 19:
            await asyncio.sleep(0.05)


def count_wrong(shop: ShopHandle, ids: list[int]) -> int:
    """Customers whose tag is not what their record says."""
    return sum(
        ("VIP" in shop.tags(customer)) != (shop.customer(customer)["total_spent"] >= THRESHOLD)
        for customer in ids
    )


async def wait_until_right(shop: ShopHandle, ids: list[int]) -> float | None:
    """Seconds until every customer is right, None after the timeout."""
    started = time.perf_counter()
    while time.perf_counter() - started < TIMEOUT_S:
        if not count_wrong(shop, ids):
            return time.perf_counter() - started
        await asyncio.sleep(0.2)
    return None


async def run_ours(events: int) -> tuple[float | None, ShopHandle, int]:
    async with running(leak_per_s=LEAK_PER_S) as system:
        ids = system.haravan.populate(CUSTOMERS, seed=1)
        for customer in ids:
            system.haravan.edit(customer, total_spent=0, announce=False)
        await play(system.haravan, ids, events)
        took = await wait_until_right(system.haravan, ids)
        return took, system.haravan, count_wrong(system.haravan, ids)


async def run_baseline(events: int) -> tuple[float | None, ShopHandle, int]:
    sandbox = Sandbox(echo=True, leak_per_s=LEAK_PER_S)
    shop = sandbox.add_shop(secret=SECRET)
    with tempfile.TemporaryDirectory() as folder, valkey(Path(folder)) as url:
        async with serve(sandbox) as api, _baseline(url, api, shop.token) as port:
            await shop.subscribe(f"http://127.0.0.1:{port}/webhooks/haravan", verify_token="")
            ids = shop.populate(CUSTOMERS, seed=1)
            for customer in ids:
                shop.edit(customer, total_spent=0, announce=False)
            await play(shop, ids, events)
            took = await wait_until_right(shop, ids)
            return took, shop, count_wrong(shop, ids)


@asynccontextmanager
async def _baseline(url: str, api: str, token: str) -> AsyncIterator[int]:
    """The baseline's web application and worker."""
    settings = RedisSettings.from_dsn(url)
    pool = await create_pool(settings)

    async def receive(webhook: Request) -> Response:
        if webhook.method == "GET":
            return PlainTextResponse(webhook.query_params.get("hub.challenge", ""))
        body: dict[str, Any] = await webhook.json()
        await pool.enqueue_job("tag", body["id"])
        return Response()

    async with httpx2.AsyncClient(
        base_url=f"{api}/com", headers={"Authorization": f"Bearer {token}"}
    ) as client:

        async def request(method: str, path: str, **options: Any) -> httpx2.Response:
            while True:
                answer = await client.request(method, path, **options)
                if answer.status_code != 429:
                    return answer
                await asyncio.sleep(float(answer.headers.get("Retry-After", "2")))

        async def tag(_: dict[Any, Any], customer: int) -> None:
            record = (await request("GET", f"/customers/{customer}.json")).json()["customer"]
            has = "VIP" in (record["tags"] or "").split(",")
            if record["total_spent"] >= THRESHOLD and not has:
                await request("POST", f"/customers/{customer}/tags.json", json={"tags": "VIP"})

        port = free_port()
        app = Starlette(routes=[Route("/webhooks/haravan", receive, methods=["GET", "POST"])])
        server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, lifespan="off"))
        worker = Worker(
            functions=[func(tag, name="tag", keep_result=0, timeout=600)],  # type: ignore[arg-type]
            redis_settings=settings,
            handle_signals=False,
            log_results=False,
        )
        tasks = [asyncio.create_task(server.serve()), asyncio.create_task(worker.async_run())]
        await wait_for_port(port)
        try:
            yield port
        finally:
            server.should_exit = True
            tasks[1].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await worker.close()
            await pool.aclose()


def show(name: str, took: float | None, shop: ShopHandle, left: int) -> int:
    """Print one row. The number of calls."""
    calls = shop.calls.count()
    when = f"{took:6.1f} s" if took is not None else f"not in {TIMEOUT_S:.0f} s"
    print(
        f"{name:<9} {calls:>6} calls, {shop.calls.count(status=429):>5} answered 429, all right after {when}, {left} wrong"
    )
    return calls


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=4_000)
    events = parser.parse_args().events
    print(f"{events} orders of {CUSTOMERS} customers, an API that leaks {LEAK_PER_S:.0f} calls a second")
    took, shop, wrong = uvloop.run(run_ours(events))
    our_calls = show("ours", took, shop, wrong)
    passes = took is not None and not wrong
    baseline_calls = show("baseline", *uvloop.run(run_baseline(events)))
    ratio = our_calls / max(1, baseline_calls)
    print(f"calls: {ratio:.2f} of the baseline's   bar: every tag right   {'pass' if passes else 'FAIL'}")
    return 0 if passes else 1


if __name__ == "__main__":
    sys.exit(main())
