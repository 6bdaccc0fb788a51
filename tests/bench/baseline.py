"""What a good engineer would write first, beside this service, on the same events in the same run.

The baseline: a Starlette handler enqueues one arq job for each webhook; the job GETs the customer, decides, POSTs the
tag (httpx2), and on a 429 waits as long as it is told. Both get the same orders, the same slow API and the same time.
"""

from __future__ import annotations

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
from tests.bench.servers import valkey, wait_for
from tests.bench.system import running
from tests.support.ports import free_port

CUSTOMERS = 400
EVENTS = 4_000
LEAK_PER_S = 40.0  # ten times Haravan's: the ratio of calls does not depend on it
WITHIN_S = 120.0
THRESHOLD = 10_000_000


async def play(shop: ShopHandle, ids: list[int]) -> None:
    """The same day for both: ten orders a customer, some of which cross the threshold, 400 a second."""
    dice = random.Random(5)
    for number in range(EVENTS):
        shop.order(dice.choice(ids), dice.choice([100_000, 400_000, 2_500_000]))
        if number % 20 == 19:
            await asyncio.sleep(0.05)


def wrong(shop: ShopHandle, ids: list[int]) -> int:
    """Customers whose tag is not what their record says."""
    return sum(
        ("VIP" in shop.tags(each)) != (shop.customer(each)["total_spent"] >= THRESHOLD) for each in ids
    )


async def until_right(shop: ShopHandle, ids: list[int], began: float) -> float | None:
    """Seconds until everybody is right, None when that did not happen in time."""
    while time.perf_counter() - began < WITHIN_S:
        if not wrong(shop, ids):
            return time.perf_counter() - began
        await asyncio.sleep(0.2)
    return None


async def ours() -> tuple[float | None, ShopHandle, int]:
    async with running(leak_per_s=LEAK_PER_S) as system:
        ids = system.haravan.populate(CUSTOMERS, seed=1)
        for each in ids:
            system.haravan.edit(each, total_spent=0, announce=False)
        await play(system.haravan, ids)
        took = await until_right(system.haravan, ids, time.perf_counter())
        return took, system.haravan, wrong(system.haravan, ids)


async def theirs() -> tuple[float | None, ShopHandle, int]:
    sandbox = Sandbox(echo=True, leak_per_s=LEAK_PER_S)
    shop = sandbox.add_shop(secret=SECRET)
    with tempfile.TemporaryDirectory() as folder, valkey(Path(folder)) as url:
        async with serve(sandbox) as api, _plain(url, api, shop.token) as port:
            await shop.subscribe(f"http://127.0.0.1:{port}/webhooks/haravan", verify_token="")
            ids = shop.populate(CUSTOMERS, seed=1)
            for each in ids:
                shop.edit(each, total_spent=0, announce=False)
            await play(shop, ids)
            took = await until_right(shop, ids, time.perf_counter())
            return took, shop, wrong(shop, ids)


@asynccontextmanager
async def _plain(url: str, api: str, token: str) -> AsyncIterator[int]:
    """The baseline's web application and worker."""
    settings = RedisSettings.from_dsn(url)
    pool = await create_pool(settings)

    async def receive(request: Request) -> Response:
        if request.method == "GET":
            return PlainTextResponse(request.query_params.get("hub.challenge", ""))
        body: dict[str, Any] = await request.json()
        await pool.enqueue_job("tag", body["id"])
        return Response()

    async with httpx2.AsyncClient(
        base_url=f"{api}/com", headers={"Authorization": f"Bearer {token}"}
    ) as client:

        async def ask(method: str, path: str, **how: Any) -> httpx2.Response:
            while True:
                answer = await client.request(method, path, **how)
                if answer.status_code != 429:
                    return answer
                await asyncio.sleep(float(answer.headers.get("Retry-After", "2")))

        async def tag(_: dict[Any, Any], customer: int) -> None:
            record = (await ask("GET", f"/customers/{customer}.json")).json()["customer"]
            has = "VIP" in (record["tags"] or "").split(",")
            if record["total_spent"] >= THRESHOLD and not has:
                await ask("POST", f"/customers/{customer}/tags.json", json={"tags": "VIP"})

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
        await asyncio.to_thread(wait_for, port)
        try:
            yield port
        finally:
            server.should_exit = True
            tasks[1].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await worker.close()
            await pool.aclose()


def show(name: str, took: float | None, shop: ShopHandle, left: int) -> int:
    """One row; the calls that it cost."""
    calls = shop.calls.count()
    when = f"{took:6.1f} s" if took is not None else f"not in {WITHIN_S:.0f} s"
    print(
        f"{name:<9} {calls:>6} calls, {shop.calls.count(status=429):>5} answered 429, all right after {when}, {left} wrong"
    )
    return calls


def main() -> int:
    print(f"{EVENTS} orders of {CUSTOMERS} customers, an API that leaks {LEAK_PER_S:.0f} calls a second")
    took, shop, left = uvloop.run(ours())
    ours_calls = show("ours", took, shop, left)
    good = took is not None and not left
    took, shop, left = uvloop.run(theirs())
    theirs_calls = show("baseline", took, shop, left)
    print(f"calls: {ours_calls / theirs_calls:.2f} of the baseline's  {'pass' if good else 'FAIL'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
