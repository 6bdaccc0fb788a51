"""`python -m tests.chaos.sentinel`: the primary is killed under load. How many acknowledged deliveries are lost?

Replication is asynchronous: with `DURABILITY=fsync` a 200 says that the delivery is on the primary's disk, and nothing about
the replica. There are four cases, the first three with that setting:
- `plain`: the primary is killed.
- `stalled`: the replica was stopped before, is killed too, comes back first and is promoted.
- `guarded`: the same with `min-replicas-to-write 1` and `min-replicas-max-lag 1`. The primary then refuses writes
  once the replica has been silent for a second, which limits the loss and does not exclude it. With two servers
  nothing is acknowledged until the old primary is back as a replica.
- `awaited`: as `stalled`, with `DURABILITY=replica`. Nothing may be lost.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import uvloop
from redis.exceptions import RedisError

from deploy.local.valkey import server_executable
from deploy.local.wait import until
from service.store.client.connection import Store, connect
from tests.chaos.poster import Poster
from tests.chaos.processes import ChildProcess
from tests.chaos.web_process import recorded_signatures, web_process
from tests.support.ports import free_port
from tests.support.valkey import valkey_command

Case = Literal["plain", "stalled", "guarded", "awaited"]
CASES: Final[tuple[Case, ...]] = ("plain", "stalled", "guarded", "awaited")
NAME: Final = "mymaster"
DOWN_MS: Final = 1000
STALL_S: Final = 5.0
GUARD: Final = ("--min-replicas-to-write", "1", "--min-replicas-max-lag", "1")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one case."""

    case: Case
    acknowledged: int
    refused: int
    lost: int  # acknowledged, but not on the new primary
    lost_over_s: float  # from the first to the last lost acknowledgement
    acknowledged_after: int  # after the failover
    lost_after: int  # acknowledged after the failover and lost
    away_s: float  # the longest time without an acknowledgement

    def __str__(self) -> str:
        return (
            f"{self.case}: {self.acknowledged:,} acknowledged, {self.refused:,} refused, {self.lost:,} acknowledged "
            f"and lost (over {self.lost_over_s:.1f} s), {self.lost_after} of those after the failover; "
            f"{self.away_s:.1f} s without an acknowledgement"
        )


@dataclass(slots=True)
class SentinelSetup:
    """A primary, a replica and three sentinels."""

    folder: Path
    ports: list[int] = field(default_factory=lambda: [free_port() for _ in range(5)])
    children: list[ChildProcess] = field(default_factory=list)

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports[2:])
        return f"redis+sentinel://{hosts}/{NAME}/0"

    def client(self, number: int) -> Store:
        return connect(f"redis://127.0.0.1:{self.ports[number]}/0", timeout_s=30)

    async def start(self, case: Case) -> None:
        """Start all five, and wait until the replica is in sync and the sentinels know it."""
        guard = GUARD if case == "guarded" else ()
        for number, extra in enumerate(((), ("--replicaof", "127.0.0.1", str(self.ports[0])))):
            await self._start(f"store{number}", [*self._store(number), *guard, *extra])
            assert await until(self._answers(number), within_s=60)
        assert await until(self._is_in_sync, within_s=60)
        for number in (2, 3, 4):
            await self._start(
                f"sentinel{number}", [server_executable(), str(self._config(number)), "--sentinel"]
            )
        for number in (2, 3, 4):
            assert await until(self._knows_the_replica(number), within_s=60)

    async def end(self) -> None:
        for child in self.children:
            await child.kill()

    async def primary(self) -> int:
        """The number of the server that the sentinels call primary."""
        address = await self._ask(2, "GET-MASTER-ADDR-BY-NAME")
        return self.ports.index(int(address[1]))

    async def _ask(self, number: int, command: str) -> Any:
        async with self.client(number) as sentinel:
            client: Any = sentinel
            return await client.execute_command("SENTINEL", command, NAME)

    async def _start(self, name: str, command: list[str]) -> None:
        child = ChildProcess(name, command, {}, self.folder / "logs" / f"{name}.log")
        self.children.append(child)
        await child.start()

    def _store(self, number: int) -> list[str]:
        folder = self.folder / f"store{number}"
        folder.mkdir()
        return valkey_command(folder, port=self.ports[number], fsync="always", repl_diskless_sync_delay="0")

    def _config(self, number: int) -> Path:
        folder = self.folder / f"sentinel{number}"
        folder.mkdir()
        path = folder / "sentinel.conf"
        path.write_text(
            f"port {self.ports[number]}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor {NAME} 127.0.0.1 {self.ports[0]} 2\n"
            f"sentinel down-after-milliseconds {NAME} {DOWN_MS}\nsentinel failover-timeout {NAME} 3000\n",
            encoding="utf-8",
        )
        return path

    def _answers(self, number: int) -> Any:
        async def answers() -> bool:
            try:
                async with self.client(number) as client:
                    return bool(await client.ping())
            except (RedisError, OSError):
                return False

        return answers

    async def _is_in_sync(self) -> bool:
        async with self.client(1) as replica:
            return bool((await replica.info("replication"))["master_link_status"] == "up")

    def _knows_the_replica(self, number: int) -> Any:
        async def knows() -> bool:
            try:
                reply = await self._ask(number, "MASTER")
            except (RedisError, OSError):
                return False
            pairs = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
            state = {_text(key): _text(value) for key, value in pairs.items()}
            return state["num-slaves"] == "1" and state["num-other-sentinels"] == "2"

        return knows


async def run_failover(case: Case) -> Outcome:
    """Post webhooks, kill the primary, post until the new one acknowledges, and count the losses."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    (folder / "logs").mkdir()
    setup = SentinelSetup(folder)
    try:
        await setup.start(case)
        durability = "replica" if case == "awaited" else "fsync"
        async with (
            setup.client(0) as first,
            web_process(folder, first, setup.url, durability=durability) as url,
        ):
            poster = Poster(url, connections=8)
            posting = asyncio.create_task(poster.run())
            await asyncio.sleep(2)
            killed = await _kill(setup, case)
            assert await until(_promoted(setup), within_s=120)
            new = time.monotonic()
            await setup.children[0].start()
            assert await until(_acknowledges(poster, new), within_s=120)
            await asyncio.sleep(2)
            poster.stop()
            posted = await posting
        async with setup.client(1) as second:
            recorded = await recorded_signatures(second)
    finally:
        await setup.end()
        shutil.rmtree(folder)
    lost = posted.acknowledged.keys() - recorded
    lost_at = sorted(posted.acknowledged[signature] for signature in lost)
    all_times = [killed, *sorted(at for at in posted.acknowledged.values() if at > killed)]
    return Outcome(
        case,
        len(posted.acknowledged),
        posted.refused.total(),
        len(lost),
        lost_at[-1] - lost_at[0] if lost_at else 0.0,
        len(posted.acknowledged_after(new)),
        len(posted.acknowledged_after(new) & lost),
        max(b - a for a, b in itertools.pairwise(all_times)) if all_times[1:] else 0.0,
    )


async def _kill(setup: SentinelSetup, case: Case) -> float:
    primary, replica = setup.children[:2]
    if case == "plain":
        await primary.kill()
        return time.monotonic()
    stalling = asyncio.create_task(replica.pause(2 * STALL_S))
    await asyncio.sleep(STALL_S)
    await primary.kill()
    killed = time.monotonic()
    await replica.kill()  # what its socket had received and it had not read is lost with it
    stalling.cancel()
    await asyncio.gather(stalling, return_exceptions=True)
    await replica.start()
    return killed


def _promoted(setup: SentinelSetup) -> Any:
    async def promoted() -> bool:
        return await setup.primary() == 1

    return promoted


def _acknowledges(poster: Poster, since: float) -> Any:
    async def acknowledges() -> bool:
        return bool(poster.posted.acknowledged_after(since))

    return acknowledges


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


async def _all() -> None:
    for case in CASES:
        sys.stdout.write(f"{await run_failover(case)}\n")


if __name__ == "__main__":
    uvloop.run(_all())
