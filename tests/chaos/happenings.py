"""What goes wrong, when and to whom: drawn from one seed, each kind at least once, then at random."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, Final

from redis.exceptions import RedisError

from service.domain.customers.customer import OrgId
from service.store.client import keys
from tests.chaos import canaries
from tests.chaos.children import Child
from tests.chaos.load import Shopful
from tests.chaos.stage import Stage

LOCK_S: Final = 15.0


class Happenings:
    """The faults of a run; `counts` says how often each happened."""

    def __init__(self, stage: Stage, dice: Random, *, tell: Callable[[str], None] = lambda _: None) -> None:
        self._stage = stage
        self._dice = dice
        self._tell = tell
        self._running: list[asyncio.Task[None]] = []
        self._tokens = 0
        self._ahead_s = 0.0
        self._store_busy = asyncio.Lock()
        self.counts: Counter[str] = Counter()
        self.kinds: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "kill -9 web": self._kill_web,
            "kill -9 worker": self._kill_worker,
            "kill -9 store": self._kill_store,
            "kill -9 everything": self._kill_everything,
            "SIGSTOP worker": lambda: self._stop_worker(None),
            "SIGSTOP after a permit": lambda: self._stop_worker(signal.SIGUSR1),
            "SIGSTOP before a write": lambda: self._stop_worker(signal.SIGUSR2),
            "cut store | web": lambda: self._proxy("cut web"),
            "cut store | worker": lambda: self._proxy("cut worker"),
            "cut API": lambda: self._proxy("cut api"),
            "hold store | web": lambda: self._proxy(f"hold web {self._dice.uniform(0.3, 2):.1f}"),
            "hold store | worker": lambda: self._proxy(f"hold worker {self._dice.uniform(0.3, 7):.1f}"),
            "hold API": lambda: self._proxy(f"hold api {self._dice.uniform(0.3, 4):.1f}"),
            "429 storm": self._storm,
            "foreign calls": self._foreign_calls,
            "token expires": self._expire_token,
            "clock step Haravan": self._step_haravan,
        }
        if stage.store.shim is not None:
            self.kinds["clock step store"] = self._step_store

    def begin_base_faults(self) -> None:
        """What goes wrong all the time: 5 % 5xx, 2 % without an answer, half of both with their effect."""
        for shop in self._stage.shops:
            faults = shop.handle.faults
            for effect in (False, True):
                faults.fail(502, rate=0.0125, effect=effect)
                faults.fail(503, rate=0.0125, effect=effect)
                faults.timeout(0.4, rate=0.009, effect=effect)
                faults.timeout(60, rate=0.001, effect=effect)  # the caller gives up after 8 s

    async def run(self, *, mean_gap_s: float, enough: asyncio.Event, briefly: bool) -> None:
        """Let things go wrong until there is `enough`, but each kind once; then wait for what is under way.

        `briefly`: no standstills but the first ones, whose end would have to be waited for.
        """
        order = [kind for kind in self.kinds if kind != "SIGSTOP worker"]  # the precise ones say more
        self._dice.shuffle(order)
        order.sort(key=lambda kind: not kind.startswith("SIGSTOP"))  # they take longest
        again = [kind for kind in self.kinds if not (briefly and kind.startswith("SIGSTOP"))]
        while order or not enough.is_set():
            kind = order.pop(0) if order else self._dice.choice(again)
            await asyncio.sleep(self._dice.expovariate(1) * mean_gap_s)
            self.counts[kind] += 1
            self._tell(kind)
            task = asyncio.create_task(self.kinds[kind](), name=kind)
            self._running.append(task)
        await self.finish()

    async def finish(self) -> None:
        """Wait for whatever is under way; raises what went wrong with it."""
        await asyncio.gather(*self._running)

    async def _kill_web(self) -> None:
        web = self._idle(self._stage.webs)
        if web is not None:
            await self._kill_and_start(web)

    async def _kill_worker(self) -> None:
        worker = self._idle(self._stage.workers)
        if worker is not None:
            await self._kill_and_start(worker)

    async def _kill_store(self) -> None:
        async with self._store_busy:
            await self._stage.store.kill(away_s=self._dice.uniform(0, 1.5))

    async def _kill_everything(self) -> None:
        """As if the machine's power had gone, except for the disk."""
        idle = [each for each in (*self._stage.webs, *self._stage.workers) if not each.busy]
        async with self._store_busy:
            for each in idle:
                each.busy = True
            await asyncio.gather(*(each.kill() for each in idle), self._stage.store.child.kill())
            await self._stage.store.start()
            for each in idle:
                await self._start(each)

    async def _kill_and_start(self, child: Child) -> None:
        child.busy = True
        await child.kill()
        await asyncio.sleep(self._dice.uniform(0, 1.5))
        await self._start(child)

    async def _start(self, child: Child) -> None:
        await child.start()
        await self._stage.ready(child)
        child.busy = False

    async def _stop_worker(self, arm: signal.Signals | None) -> None:
        """Longer than its lock lives: somebody else takes over, then it wakes in the middle of its turn."""
        worker = self._idle(self._stage.workers, least=2)
        if worker is None:
            return
        worker.busy = True
        if await worker.pause(LOCK_S + self._dice.uniform(2, 5), arm=arm):
            self.counts["standstills"] += 1
        else:
            await worker.kill()  # it had nothing to write; else it would stop some time later, unseen
            await self._start(worker)
        worker.busy = False

    async def _proxy(self, command: str) -> None:
        self._stage.tell_proxy(command)

    async def _storm(self) -> None:
        shop = self._shop()
        shop.handle.faults.throttle(self._dice.uniform(0.3, 2), next=self._dice.randrange(2, 6))

    async def _foreign_calls(self) -> None:
        self._shop().handle.consume_quota(80)

    async def _expire_token(self) -> None:
        shop = self._shop()
        shop.handle.replace_token(None)
        await asyncio.sleep(self._dice.uniform(0.5, 3))
        self._tokens += 1
        token = f"{canaries.TOKEN}-{shop.handle.org[-1]}-{self._tokens}"
        shop.handle.replace_token(token)
        async with self._store_busy:
            await self._stage.registry.set_token(OrgId(shop.handle.org), token)

    async def _step_haravan(self) -> None:
        self._stage.sandbox.advance(self._dice.choice([2, 30, 600]))

    async def _step_store(self) -> None:
        shim = self._stage.store.shim
        if shim is not None:
            self._ahead_s += self._dice.choice([-20, -5, 5, 20])
            shim.move_clock(self._ahead_s)

    def _shop(self) -> Shopful:
        return self._dice.choice(self._stage.shops)

    def _idle(self, children: list[Child], *, least: int = 1) -> Child | None:
        """One to whom nothing is being done, if there are at least so many."""
        idle = [each for each in children if not each.busy]
        return self._dice.choice(idle) if len(idle) >= least else None


async def swing(stage: Stage, dice: Random) -> None:
    """Send each shop's webhooks now to one web process, now to another; and keep the hour's removals low.

    A shop's hour passes in seconds here: the removal brake would stop a run that is not about it.
    """
    while True:
        await asyncio.sleep(0.3)
        for shop in stage.shops:
            shop.handle.app(dice.choice(stage.urls()))
            try:
                await stage.store.redis.delete(keys.shop(shop.handle.org, "unexplained_removals"))
            except (RedisError, OSError):
                break  # the store is down for a moment: that is the point
