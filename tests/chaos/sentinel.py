"""`python -m tests.chaos.sentinel`: the primary is killed under load; what was acknowledged and is gone afterwards?

Replication is asynchronous, so a 200 says "on the primary's disk" and nothing of the replica. Three cases:
`plain`, as it comes; `stalled`, the replica stood still and was killed too, came back first and was promoted;
`guarded`, the same with `min-replicas-to-write 1` and `min-replicas-max-lag 1`, which refuses writes once the
replica has been silent for longer than that, and so bounds the loss without excluding it. The old primary comes
back as a replica: where two servers are guarded, nothing is acknowledged before that.
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
from redis.asyncio import Redis
from redis.exceptions import RedisError

from deploy.local.valkey import server_executable
from deploy.local.wait import until
from tests.chaos.children import Child
from tests.chaos.edge import edge, kept
from tests.chaos.posting import Poster
from tests.support.ports import free_port

Case = Literal["plain", "stalled", "guarded"]
CASES: Final[tuple[Case, ...]] = ("plain", "stalled", "guarded")
NAME: Final = "mymaster"
DOWN_MS: Final = 1000
STALL_S: Final = 5.0
GUARD: Final = ("--min-replicas-to-write", "1", "--min-replicas-max-lag", "1")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one case."""

    case: Case
    acknowledged: int
    refused: int
    lost: int  # acknowledged, and not on the new primary
    lost_over_s: float  # between the first and the last acknowledgement that was lost
    acknowledged_after: int  # the failover
    lost_after: int  # of what was acknowledged after the failover
    away_s: float  # the longest time without an acknowledgement

    def __str__(self) -> str:
        return (
            f"{self.case}: {self.acknowledged:,} acknowledged, {self.refused:,} refused, {self.lost:,} acknowledged "
            f"and lost (over {self.lost_over_s:.1f} s), {self.lost_after} of those after the failover; "
            f"{self.away_s:.1f} s without an acknowledgement"
        )


@dataclass(slots=True)
class Flock:
    """A primary, a replica and three sentinels."""

    folder: Path
    ports: list[int] = field(default_factory=lambda: [free_port() for _ in range(5)])
    children: list[Child] = field(default_factory=list)

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports[2:])
        return f"redis+sentinel://{hosts}/{NAME}/0"

    def client(self, number: int) -> Redis:
        return Redis(host="127.0.0.1", port=self.ports[number], socket_timeout=30)

    async def start(self, case: Case) -> None:
        """Start all five; returns when the sentinels know the replica and it is in step."""
        guard = GUARD if case == "guarded" else ()
        for number, extra in enumerate(((), ("--replicaof", "127.0.0.1", str(self.ports[0])))):
            await self._start(f"store{number}", [*self._store(number), *guard, *extra])
            assert await until(self._answers(number), within_s=60)
        assert await until(self._in_step, within_s=60)
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
        """Which of the two the sentinels name."""
        found = await self._ask(2, "GET-MASTER-ADDR-BY-NAME")
        return self.ports.index(int(found[1]))

    async def _ask(self, number: int, question: str) -> Any:
        async with self.client(number) as sentinel:
            client: Any = sentinel
            return await client.execute_command("SENTINEL", question, NAME)

    async def _start(self, name: str, command: list[str]) -> None:
        child = Child(name, command, {}, self.folder / "logs" / f"{name}.log")
        self.children.append(child)
        await child.start()

    def _store(self, number: int) -> list[str]:
        folder = self.folder / f"store{number}"
        folder.mkdir()
        options = {
            "port": str(self.ports[number]),
            "bind": "127.0.0.1",
            "dir": str(folder),
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "repl-diskless-sync-delay": "0",
            "maxmemory-policy": "noeviction",
        }
        return [
            server_executable(),
            *(word for name, value in options.items() for word in (f"--{name}", value)),
        ]

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

    async def _in_step(self) -> bool:
        async with self.client(1) as replica:
            return bool((await replica.info("replication"))["master_link_status"] == "up")

    def _knows_the_replica(self, number: int) -> Any:
        async def knows() -> bool:
            try:
                found = await self._ask(number, "MASTER")
            except (RedisError, OSError):
                return False
            facts = found if isinstance(found, dict) else dict(zip(found[::2], found[1::2], strict=True))
            said = {_text(key): _text(value) for key, value in facts.items()}
            return said["num-slaves"] == "1" and said["num-other-sentinels"] == "2"

        return knows


async def failed_over(case: Case) -> Outcome:
    """Post, kill the primary, post on until the new one acknowledges, and count what it has."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    (folder / "logs").mkdir()
    flock = Flock(folder)
    try:
        await flock.start(case)
        async with flock.client(0) as first, edge(folder, first, flock.url) as url:
            poster = Poster(url, connections=8)
            posting = asyncio.create_task(poster.run())
            await asyncio.sleep(2)
            killed = await _kill(flock, case)
            assert await until(_promoted(flock), within_s=120)
            new = time.monotonic()
            await flock.children[0].start()
            assert await until(_acknowledges(poster, new), within_s=120)
            await asyncio.sleep(2)
            poster.stop()
            posted = await posting
        async with flock.client(1) as second:
            there = await kept(second)
    finally:
        await flock.end()
        shutil.rmtree(folder)
    lost = posted.acknowledged.keys() - there
    moments = sorted(posted.acknowledged[each] for each in lost)
    all_moments = [killed, *sorted(at for at in posted.acknowledged.values() if at > killed)]
    return Outcome(
        case,
        len(posted.acknowledged),
        posted.refused.total(),
        len(lost),
        moments[-1] - moments[0] if moments else 0.0,
        len(posted.after(new)),
        len(posted.after(new) & lost),
        max(b - a for a, b in itertools.pairwise(all_moments)) if all_moments[1:] else 0.0,
    )


async def _kill(flock: Flock, case: Case) -> float:
    primary, replica = flock.children[:2]
    if case == "plain":
        await primary.kill()
        return time.monotonic()
    stalling = asyncio.create_task(replica.pause(2 * STALL_S))
    await asyncio.sleep(STALL_S)
    await primary.kill()
    killed = time.monotonic()
    await replica.kill()  # and with it all that its socket had received and it had not read
    stalling.cancel()
    await asyncio.gather(stalling, return_exceptions=True)
    await replica.start()
    return killed


def _promoted(flock: Flock) -> Any:
    async def promoted() -> bool:
        return await flock.primary() == 1

    return promoted


def _acknowledges(poster: Poster, since: float) -> Any:
    async def acknowledges() -> bool:
        return bool(poster.posted.after(since))

    return acknowledges


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


async def _all() -> None:
    for case in CASES:
        sys.stdout.write(f"{await failed_over(case)}\n")


if __name__ == "__main__":
    uvloop.run(_all())
