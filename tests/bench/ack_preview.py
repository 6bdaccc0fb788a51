"""How long an acknowledgement takes at 500/s while everybody is previewed again and again through the ops API."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

import httpx2
import uvloop

from service.domain.customers.customer import Customer, OrgId, encode_snapshot
from service.store.client import keys
from service.store.client.connection import connect
from tests.bench.ack import PER_S, told
from tests.bench.load import ORG, WARM_UP, Run, closed_loop, open_loop, requests
from tests.bench.servers import valkey, web

TOKEN = "a-bench-token-0123456789"
CUSTOMERS = 100_000
RULES = Path(__file__).parents[1] / "payloads/rules/twenty.yaml"


async def fill(url: str) -> None:
    """Snapshots of everybody, as drains leave them."""
    redis = connect(url)
    for start in range(1, CUSTOMERS, 5_000):
        some = {
            str(number): encode_snapshot(
                Customer(id=number, total_spent=number * 1_000_0000, orders_count=number % 9)
            )
            for number in range(start, start + 5_000)
        }
        await redis.hset(keys.shop(OrgId(ORG), "snapshots"), mapping=some)
    await redis.aclose()


async def previewing(port: int) -> int:
    """Preview until cancelled; how many there were."""
    done = 0
    asked = {"rules": RULES.read_text(encoding="utf-8")}
    head = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=head, timeout=120) as client:
        try:
            while True:
                answer = await client.post(f"/ops/v1/shops/{ORG}/rules/preview", json=asked)
                assert answer.json()["customers"] == CUSTOMERS, answer.text[:200]  # else a bench of nothing
                done += 1
        except asyncio.CancelledError:
            return done


async def beside_previews(port: int, ready: list[bytes]) -> tuple[Run, int]:
    """One run at a fixed pace, and how many previews were made meanwhile."""
    task = asyncio.create_task(previewing(port))
    run = await open_loop(port, ready, per_s=PER_S)
    task.cancel()
    return run, await task


def main(seconds: int) -> int:
    """Alone, then beside previews; passes when the second holds the bars as well."""
    os.environ["OPS_TOKENS"] = f"bench={TOKEN}"
    ready = list(requests(WARM_UP + PER_S * seconds))
    with (
        tempfile.TemporaryDirectory() as folder,
        valkey(Path(folder)) as url,
        web(url, variant="ours") as port,
    ):
        uvloop.run(fill(url))
        uvloop.run(closed_loop(port, ready[:WARM_UP]))
        alone = told("alone", uvloop.run(open_loop(port, ready[WARM_UP:], per_s=PER_S)))
        run, previews = uvloop.run(beside_previews(port, ready[WARM_UP:]))
        return 0 if told(f"beside {previews} previews", run) and alone else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 60))
