"""`python -m tests.chaos.moved`: all data is moved to a cluster, and back to one server, while webhooks arrive.

The first attempts are killed, one while it copies and one in the fence. The last one is `tagger store move`. Nobody restarts
the web process and the worker.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import typer
import uvloop

from deploy.local.wait import until
from service.domain.customers.customer import OrgId
from service.store.client import Store, keys
from service.store.client.connection import connect
from service.store.encryption import KeyRing
from service.store.move import follow
from service.store.shops.model import Shop
from service.store.shops.repository import ShopRepository
from tests.chaos.mishaps import ORG, TIMEOUT_S, Episode, Servers, running
from tests.chaos.mover import Stop
from tests.chaos.poster import PostedWebhooks, Poster
from tests.chaos.verdict import count_recorded
from tests.support import canaries
from tests.support.cluster import ValkeyCluster
from tests.support.valkey import ValkeyServer

POSTED: Final = OrgId("1000000100")  # the shop whose webhooks measure the pause
KEYRING: Final = KeyRing((canaries.SECRET_KEY,))
POSTS_PER_S: Final = 100.0
SNAPSHOT: Final = secrets.token_bytes(450)  # of a customer: as large as a real one, and as hard to compress
ENTRY: Final = secrets.token_bytes(100)  # of the ledger
BATCH: Final = 500


@dataclass(slots=True)
class MovingServers:
    """One server, a cluster, a second server, and arq's Redis beside them."""

    server: ValkeyServer
    cluster: ValkeyCluster
    back: ValkeyServer
    queue: ValkeyServer

    @property
    def environ(self) -> dict[str, str]:
        """The settings of the processes. They are those of the first server until the end."""
        return {"REDIS_URL": self.server.url, "QUEUE_URL": self.queue.url, "DURABILITY": "fsync"}

    async def end(self) -> None:
        """Kill all of them."""
        self.cluster.kill()
        for server in (self.server, self.back, self.queue):
            server.kill()


@dataclass(slots=True)
class MoveOutcome:
    """The result of a run."""

    acknowledged: int = 0
    lost: int = 0  # acknowledged, and not recorded at the end
    wrong: int = 0  # customers with wrong tags at the end
    twice: int = 0  # customers whose tag was written more than once
    pauses_s: list[float] = field(default_factory=list)  # as the sender of webhooks saw them
    moves: list[dict[str, Any]] = field(default_factory=list)
    took_s: float = 0

    @property
    def is_right(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.wrong or self.twice)

    def __str__(self) -> str:
        moves = "; ".join(
            f"{move['keys']:,} keys, {move['bytes'] / 1e6:.1f} MB in {move['took_ms'] / 1000:.1f} s, fence "
            f"{move['pause_ms'] / 1000:.2f} s, {pause:.2f} s without an acknowledgement"
            for move, pause in zip(self.moves, self.pauses_s, strict=True)
        )
        return (
            f"moved: {self.acknowledged:,} acknowledged, {self.lost} acknowledged and lost, {self.wrong} customers wrong, "
            f"{self.twice} tags written twice; {moves}; {self.took_s:.1f} s"
        )


async def run_moves(
    *,
    seed: int = 1,
    seconds: float = 2.0,
    customers: int = 40,
    stored: int = 0,
    stops: tuple[Stop, ...] = ("copying", "fenced"),
    and_back: bool = True,
    keep: bool = False,
) -> MoveOutcome:
    """Load before, during and after the moves, then the verdict. `stored`: customers of another shop that are moved, too."""
    started_s = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    try:
        async with running(folder, seed, customers, partial(_start, folder)) as episode:
            outcome = await _Run(episode, seconds, stored).run(stops, and_back=and_back)
            outcome.took_s = time.monotonic() - started_s
            return outcome
    finally:
        if not keep:
            shutil.rmtree(folder)


async def _start(folder: Path) -> tuple[Servers, Any]:
    for name in ("server", "back", "queue"):
        (folder / name).mkdir()
    durable: dict[str, Any] = {"fsync": "always", "aof_load_truncated": "no"}
    cluster = ValkeyCluster(folder, replicas=0, **durable)
    servers = MovingServers(
        ValkeyServer(folder / "server", on_port=True, **durable),
        cluster,
        ValkeyServer(folder / "back", on_port=True, **durable),
        ValkeyServer(folder / "queue", on_port=True),
    )
    for server in (servers.server, servers.back, servers.queue):
        server.start()
    await cluster.start()
    return servers, connect(servers.server.url, queue_url=servers.queue.url, timeout_s=30, patience_s=30)


class _Run:
    def __init__(self, episode: Episode, seconds: float, stored: int) -> None:
        assert isinstance(episode.servers, MovingServers)
        self._episode, self._servers = episode, episode.servers
        self._seconds, self._stored = seconds, stored
        self._outcome = MoveOutcome()
        url = f"http://127.0.0.1:{episode.port}/webhooks/haravan"
        self._poster = Poster(url, org=POSTED, per_s=POSTS_PER_S)

    async def run(self, stops: tuple[Stop, ...], *, and_back: bool) -> MoveOutcome:
        episode, outcome = self._episode, self._outcome
        shops = ShopRepository(episode.redis, KEYRING)
        await shops.add(Shop(POSTED, "Cửa hàng thử", "omni", f"{episode.api}/com", "of-no-shop-000000"))
        await shops.pause(POSTED, reason="manual", by="chaos")
        await store_customers(episode.redis, POSTED, self._stored)
        posting = asyncio.create_task(self._poster.run())
        await until(self._is_known, within_s=TIMEOUT_S)
        self._poster.posted = PostedWebhooks()
        await episode.buy(self._seconds)
        await self._move(self._servers.cluster.url, stops)
        if and_back:
            await self._move(self._servers.back.url, ())
        self._poster.stop()
        await posting
        assert await until(episode.is_ready, within_s=TIMEOUT_S), "no webhook is accepted"
        await episode.deliveries.wait_idle()
        await until(episode.all_right, within_s=TIMEOUT_S)
        await episode.deliveries.wait_idle()  # the last writes have echoes
        await self._judge()
        return outcome

    async def _is_known(self) -> bool:
        return bool(await self._episode.redis.exists(keys.shop(POSTED, "deliveries")))

    async def _move(self, url: str, stops: tuple[Stop, ...]) -> None:
        """Move the data while customers buy. The processes are not told."""
        episode = self._episode
        buying = asyncio.create_task(self._buy())
        for stop in stops:
            assert await self._run_program("tests.chaos.mover", url, stop) < 0, f"{stop}: it was not killed"
        since_s = time.monotonic()
        out = episode.folder / "move.json"
        words = ("deploy.cli", "store", "move", "--to", url, "--yes", "--json")
        assert await self._run_program(*words, out=out) == 0, (episode.folder / "move.err").read_text("utf-8")
        assert await until(self._acknowledges, within_s=TIMEOUT_S), "no webhook is accepted"
        until_s = time.monotonic()
        await asyncio.sleep(self._seconds)
        buying.cancel()
        await asyncio.wait([buying])
        assert await follow(episode.redis, KEYRING)
        self._outcome.moves.append(json.loads(out.read_text("utf-8"))["result"])
        self._outcome.pauses_s.append(self._poster.posted.longest_gap_s(since_s, until_s))

    async def _buy(self) -> None:
        while True:
            await self._episode.buy(1.0)

    async def _acknowledges(self) -> bool:
        now = time.monotonic()
        await asyncio.sleep(0.2)
        return bool(self._poster.posted.acknowledged_after(now))

    async def _run_program(self, *words: str, out: Path | None = None) -> int:
        """The exit code of a program with the settings of the processes; negative: it was killed."""
        folder = self._episode.folder
        environ = {**self._episode.children[0].environ, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        with (out or folder / "mover.out").open("wb") as stdout, (folder / "move.err").open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *words,
                env=environ,
                cwd=Path(__file__).parents[2],
                stdout=stdout,
                stderr=stderr,
            )
            return await process.wait()

    async def _judge(self) -> None:
        outcome, episode = self._outcome, self._episode
        acknowledged = episode.acknowledged()
        posted = self._poster.posted.acknowledged
        outcome.acknowledged = acknowledged.total() + len(posted)
        outcome.lost = (acknowledged - await count_recorded(episode.redis, ORG)).total()
        outcome.lost += len(posted.keys() - (await count_recorded(episode.redis, POSTED)).keys())
        outcome.wrong = len(episode.wrong())
        writes = Counter(
            call.customer
            for call in episode.haravan.calls.last
            if call.endpoint == "POST tags" and call.status == 200
        )
        outcome.twice = sum(count > 1 for count in writes.values())


async def store_customers(redis: Store, org: OrgId, number: int) -> None:
    """What a shop with so many customers has stored after some months: about 2.5 kB for each of them."""
    for start in range(0, number, BATCH):
        ids = range(start + 1, min(number, start + BATCH) + 1)
        async with redis.pipeline(transaction=False) as pipe:
            for name, value in (
                ("snapshots", SNAPSHOT),
                ("owned", b"o" * 80),
                ("latest_updated_at", b"1790000000000"),
                ("echo_digests", b"d" * 32),
                ("ledger_by_customer", b"1790000000000-0 " * 4),
            ):
                pipe.hset(keys.shop(org, name), mapping={str(each): value for each in ids})
            pipe.zadd(keys.shop(org, "schedule"), {str(each): 740_000 for each in ids})
            for each in ids:
                pipe.rpush(keys.shop(org, f"deliveries_by_customer:{each}"), *("1790000000000-0",) * 5)
                pipe.expire(keys.shop(org, f"deliveries_by_customer:{each}"), 30 * keys.DAY_S)
                for _ in range(4):
                    pipe.xadd(keys.shop(org, "ledger"), {"e": ENTRY})
            await pipe.execute()


def main(customers: int = 40, stored: int = 10_000, seconds: float = 5.0, *, keep: bool = False) -> None:
    """Move everything to a cluster and back under load, after two attempts that are killed."""
    outcome = uvloop.run(run_moves(customers=customers, stored=stored, seconds=seconds, keep=keep))
    print(outcome)
    sys.exit(0 if outcome.is_right else 1)


if __name__ == "__main__":
    typer.run(main)
