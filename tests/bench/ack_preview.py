"""How long an acknowledgement takes at 500/s while all customers are previewed again and again through the ops API."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import httpx2
import uvloop

from service.domain.customers import Customer, OrgId, encode_snapshot
from service.store.client import connect, keys
from tests.bench.ack import PER_S, report_run
from tests.bench.load import ORG, WARM_UP, Run, closed_loop, open_loop, requests
from tests.bench.servers import valkey, web
from tests.support.shop import OPS_TOKEN

RULES = Path(__file__).parents[1] / "payloads/rules/twenty.yaml"
BATCH = 5_000


async def fill(url: str, customers: int) -> None:
    """Store snapshots, as drains do."""
    redis = connect(url)
    for start in range(0, customers, BATCH):
        snapshots = {
            str(number): encode_snapshot(
                Customer(id=number, total_spent=number * 1_000_0000, orders_count=number % 9)
            )
            for number in range(start + 1, min(start + BATCH, customers) + 1)
        }
        await redis.hset(keys.shop(OrgId(ORG), "snapshots"), mapping=snapshots)
    await redis.aclose()


async def preview_until_cancelled(port: int, customers: int) -> int:
    """The number of previews."""
    previews = 0
    body = {"rules": RULES.read_text(encoding="utf-8")}
    headers = {"Authorization": f"Bearer {OPS_TOKEN}"}
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=120
    ) as client:
        try:
            while True:
                answer = await client.post(f"/ops/v1/shops/{ORG}/rules/preview", json=body)
                assert answer.json()["customers"] == customers, answer.text[:200]
                previews += 1
        except asyncio.CancelledError:
            return previews


async def run_beside_previews(port: int, ready: list[bytes], customers: int) -> tuple[Run, int]:
    """One run at a fixed pace, and the number of previews meanwhile."""
    task = asyncio.create_task(preview_until_cancelled(port, customers))
    run = await open_loop(port, ready, per_s=PER_S)
    task.cancel()
    return run, await task


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="of each part")
    parser.add_argument("--customers", type=int, default=100_000)
    options = parser.parse_args()
    ready = list(requests(WARM_UP + PER_S * options.seconds))
    with (
        tempfile.TemporaryDirectory() as folder,
        valkey(Path(folder)) as url,
        web(url, variant="ours", environ={"OPS_TOKENS": f"bench={OPS_TOKEN}"}) as (port, _),
    ):
        uvloop.run(fill(url, options.customers))
        uvloop.run(closed_loop(port, ready[:WARM_UP]))
        alone = report_run("alone", uvloop.run(open_loop(port, ready[WARM_UP:], per_s=PER_S)))
        run, previews = uvloop.run(run_beside_previews(port, ready[WARM_UP:], options.customers))
        return 0 if report_run(f"beside {previews} previews", run) and alone else 1


if __name__ == "__main__":
    sys.exit(main())
