"""How much of the leak is used, and how many calls answer 429, in ten simulated minutes of a simulated Haravan.

The real scripts run in a real Valkey, on the simulation's clock. Bar: 99 % of the leak used and no 429. The leak
counts as used while Haravan's bucket is not empty. A row is a case; the exit code is 1 if a case misses the bar.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import itertools
import math
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from service.domain.customers.customer import OrgId
from service.store.client import RedisClient
from service.store.client.connection import connect
from service.store.queue.dirty import Lane
from service.store.queue.rate_limiter import Granted, RateLimiter
from tests.bench.report import percentile
from tests.support.valkey import valkey

ORG: Final = OrgId("1000000001")
SHARE_BAR: Final = 0.99
LEAK: Final = 4.0
SIZE: Final = 80
PROCESSES: Final = 8
CALLS_EACH: Final = 4
BULK_BAR: Final = 0.1
LIVE_WAIT_BAR_MS: Final = 20.0


@dataclass(frozen=True)
class Case:
    """One situation. `stepped`: the leak comes four at a time, once a second; `trickle`: a live call now and then;
    `late`: the header shows the bucket when the answer leaves, not when the call came.
    """

    lanes: tuple[Lane, ...]
    latency_ms: int
    shared: bool = False
    killed: bool = False
    stepped: bool = False
    trickle: bool = False
    late: bool = False

    @property
    def title(self) -> str:
        marks = [name for name in ("shared", "killed", "stepped", "trickle", "late") if getattr(self, name)]
        return f"{'+'.join(self.lanes):9} {self.latency_ms:4} ms  {' '.join(marks) or 'alone'}"


@dataclass
class Shop:
    """Haravan's side: the bucket as documented, and the calls that leaked."""

    stepped: bool
    level: float = 0.0
    at_ms: int = 0
    blocked_until_ms: int = 0
    leaked: float = 0.0

    def leak(self, now_ms: int) -> None:
        if self.stepped:
            room = LEAK * (now_ms // 1000 - self.at_ms // 1000)
        else:
            room = LEAK * (now_ms - self.at_ms) / 1000
        gone = min(self.level, room)
        self.level -= gone
        self.leaked += gone
        self.at_ms = now_ms

    def call(self, now_ms: int) -> tuple[int, int]:
        """The status, and the bucket's level as the header shows it."""
        self.leak(now_ms)
        if now_ms < self.blocked_until_ms:
            return 429, math.floor(self.level)
        if self.level + 1 > SIZE:
            self.blocked_until_ms = now_ms + 2000
            return 429, math.floor(self.level)
        self.level += 1
        return 200, math.floor(self.level)


@dataclass
class Process:
    """One worker process: at most four calls in flight, one waiter."""

    lane: Lane
    out: int = 0
    asking: bool = False
    dead: bool = False


@dataclass
class Outcome:
    calls: dict[str, int] = field(default_factory=lambda: {"live": 0, "bulk": 0})
    refused: int = 0
    foreign: int = 0
    leaked: float = 0.0
    share: float = 0.0
    requests: int = 0
    live_waits_ms: list[float] = field(default_factory=list)

    @property
    def slowest_live_ms(self) -> float:
        """95 % of the trickling live calls waited at most this long for their permits."""
        return percentile(self.live_waits_ms, 0.95) if self.live_waits_ms else 0.0


Step = Callable[[], Awaitable[None]]


class Simulation:
    """Executes events in the order of their time, without waiting."""

    def __init__(self, redis: RedisClient, case: Case, *, seed: int) -> None:
        self.case = case
        self.now_ms = 1_700_000_000_000
        self.end_ms = self.now_ms
        self.shop = Shop(stepped=case.stepped, at_ms=self.now_ms)
        self.outcome = Outcome()
        self.bucket = RateLimiter(redis, clock_ms=lambda: self.now_ms)
        self._rng = random.Random(seed)
        self._events: list[tuple[int, int, Step]] = []
        self._numbers = itertools.count()
        self._processes: list[Process] = []

    def at(self, delay_ms: float, step: Step) -> None:
        heapq.heappush(self._events, (self.now_ms + max(0, round(delay_ms)), next(self._numbers), step))

    async def run(self, seconds: int) -> Outcome:
        start_ms = self.now_ms
        self.end_ms = start_ms + seconds * 1000
        for number in range(PROCESSES):
            self._start(self.case.lanes[number % len(self.case.lanes)])
        if self.case.shared:
            self.at(self._rng.uniform(0, 10_000), self._foreign_burst)
        if self.case.killed:
            self.at(5_000, self._kill)
        if self.case.trickle:
            self.at(20_000, self._trickle)
        while self._events and self._events[0][0] < self.end_ms:
            self.now_ms, _, step = heapq.heappop(self._events)
            await step()
        self.shop.leak(self.end_ms)
        self.outcome.leaked = self.shop.leaked
        self.outcome.share = self.shop.leaked / (LEAK * seconds)
        return self.outcome

    def _start(self, lane: Lane) -> None:
        process = Process(lane)
        self._processes.append(process)
        self._ask_soon(process, self._rng.uniform(0, 50))

    def _ask_soon(self, process: Process, delay_ms: float = 0) -> None:
        if not process.asking and not process.dead and process.out < CALLS_EACH:
            process.asking = True
            self.at(delay_ms, lambda: self._ask(process))

    async def _ask(self, process: Process) -> None:
        process.asking = False
        if process.dead:
            return
        self.outcome.requests += 1
        answer = await self.bucket.acquire(ORG, lane=process.lane)
        if isinstance(answer, Granted):
            process.out += 1
            there, back = self._trip(), self._trip()
            self.at(there, lambda: self._arrive(process, answer, back))
            self._ask_soon(process)
        else:
            self._ask_soon(process, answer.wait_s * 1000)

    def _trip(self) -> float:
        """Half a call's latency, plus or minus half of that, so that answers overtake each other."""
        return self.case.latency_ms / 2 * self._rng.uniform(0.5, 1.5)

    async def _arrive(self, process: Process, grant: Granted, back_ms: float) -> None:
        status, used = self.shop.call(self.now_ms)
        self.outcome.refused += status == 429
        self.outcome.calls[process.lane] += status == 200
        if self.case.late:
            there = back_ms / 2
            self.at(there, lambda: self._leave(process, grant, status, there))
        else:
            self.at(back_ms, lambda: self._answer(process, grant, status, used))

    async def _leave(self, process: Process, grant: Granted, status: int, back_ms: float) -> None:
        self.shop.leak(self.now_ms)
        used = math.floor(self.shop.level)
        self.at(back_ms, lambda: self._answer(process, grant, status, used))

    async def _answer(self, process: Process, grant: Granted, status: int, used: int) -> None:
        if process.dead:
            return
        process.out -= 1
        wait_s = 2.0 if status == 429 else None
        await self.bucket.report(ORG, grant, status=status, used=used, size=SIZE, retry_after_s=wait_s)
        self._ask_soon(process)

    async def _trickle(self) -> None:
        """A webhook arrives: one live call, and the next webhook some seconds later."""
        process = Process("live")
        arrived_ms = self.now_ms

        async def ask() -> None:
            answer = await self.bucket.acquire(ORG, lane="live")
            if isinstance(answer, Granted):
                process.out += 1
                self.outcome.live_waits_ms.append(self.now_ms - arrived_ms)
                back = self._trip()
                self.at(self._trip(), lambda: self._arrive(process, answer, back))
            else:
                self.at(answer.wait_s * 1000, ask)

        await ask()
        process.asking = True  # it requests no more permits
        self.at(self._rng.uniform(500, 5_000), self._trickle)

    async def _foreign_burst(self) -> None:
        """Another app: one call a second on average, in bursts of up to 15."""
        size = self._rng.randint(1, 15)
        for _ in range(size):
            self.outcome.foreign += self.shop.call(self.now_ms)[0] == 200
        self.at(size * 1000 * self._rng.uniform(0.5, 1.5), self._foreign_burst)

    async def _kill(self) -> None:
        """One process dies with its calls on the way, or all of them at once; others follow a second later."""
        alive = [process for process in self._processes if not process.dead]
        for victim in alive if self._rng.random() < 0.1 else [self._rng.choice(alive)]:
            victim.dead = True
            self.at(1000, partial(self._replace, victim.lane))
        self.at(self._rng.uniform(2_000, 8_000), self._kill)

    async def _replace(self, lane: Lane) -> None:
        self._start(lane)


def cases() -> list[Case]:
    """Every situation of the bar, and the two lanes together for fairness."""
    lanes: tuple[tuple[Lane, ...], ...] = (("bulk",), ("live",), ("live", "bulk"))
    both = (False, True)
    steady = [Case(*options) for options in itertools.product(lanes, (0, 100, 800), both, both)]
    stepped = [Case(lane, 100, shared, stepped=True) for lane in lanes for shared in (False, True)]
    trickle = [Case(("bulk",), 100, shared, trickle=True) for shared in (False, True)]
    late = [Case(*options, late=True) for options in itertools.product(lanes, (100, 800), both)]
    return steady + stepped + trickle + late


def missed(case: Case, outcome: Outcome, seconds: int) -> list[str]:
    """The bars that the case misses."""
    bulk = outcome.calls["bulk"] / (LEAK * seconds)
    bars = [
        ("leak", outcome.share < SHARE_BAR),
        ("429", outcome.refused > 0),
        ("tenth for bulk", len(case.lanes) == 2 and bulk < BULK_BAR),
        ("wait of live", outcome.slowest_live_ms > LIVE_WAIT_BAR_MS),
        ("live first", len(case.lanes) == 2 and outcome.calls["live"] < 3 * outcome.calls["bulk"]),
    ]
    return [name for name, is_missed in bars if is_missed]


@asynccontextmanager
async def own_store() -> AsyncIterator[RedisClient]:
    """A client of a Valkey for this run, without an append-only file."""
    with tempfile.TemporaryDirectory() as folder, valkey(Path(folder)) as url:
        redis = connect(url)
        yield redis
        await redis.aclose()


async def main(seconds: int, only: str, seed: int) -> int:
    print(
        f"bar: ≥ {SHARE_BAR:.0%} of the leak used, no 429; {seconds} simulated s, {PROCESSES} processes × {CALLS_EACH}"
    )
    failed = 0
    async with own_store() as redis:
        for case in cases():
            if not all(word in case.title for word in only.split(",")):
                continue
            await redis.flushall()
            started = time.perf_counter()
            outcome = await Simulation(redis, case, seed=seed).run(seconds)
            wrong = missed(case, outcome, seconds)
            failed += bool(wrong)
            print(
                f"{case.title:34} leak {outcome.share:7.2%}  429 {outcome.refused:3}"
                f"  live {outcome.calls['live']:5} bulk {outcome.calls['bulk']:5} other {outcome.foreign:4}"
                f"  live waits {outcome.slowest_live_ms:3.0f} ms  requests {outcome.requests:6} {time.perf_counter() - started:5.1f} s"
                f"  {'FAIL: ' + ', '.join(wrong) if wrong else 'pass'}",
                flush=True,
            )
    print("FAIL" if failed else "pass")
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--only", default="", help="words of the cases to run, separated by commas")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    sys.exit(asyncio.run(main(arguments.seconds, arguments.only, arguments.seed)))
