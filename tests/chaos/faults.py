"""The faults of a run, from one seed: each kind once, then kinds at random."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from random import Random
from typing import Any, Final

from redis.exceptions import RedisError

from service.domain.customers.customer import OrgId
from service.store.client import keys
from tests.chaos.cluster_store import ClusterStore
from tests.chaos.environment import AnyStore, Environment
from tests.chaos.load import ShopUnderLoad
from tests.chaos.network import Hosts
from tests.chaos.processes import ChildProcess
from tests.chaos.store import Fault
from tests.support import canaries

LEASE_S: Final = 15.0
WORKER_STOPS: Final = frozenset(["SIGSTOP worker", "SIGSTOP after a permit", "SIGSTOP before a write"])


class FaultSchedule:
    """Injects faults; `counts` says how often it injected each kind."""

    def __init__(
        self,
        environment: Environment,
        rng: Random,
        *,
        only: Sequence[str] = (),  # kinds; all if there are none
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._environment = environment
        self._rng = rng
        self._report = report
        self._running: list[asyncio.Task[None]] = []
        self._tokens = 0
        self._store_busy = asyncio.Lock()
        self.counts: Counter[str] = Counter()
        self.kinds: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "kill -9 web": self._kill_web,
            "kill -9 worker": self._kill_worker,
            "kill -9 everything": self._kill_everything,
            "SIGSTOP worker": lambda: self._stop_worker(None),
            "SIGSTOP after a permit": lambda: self._stop_worker(signal.SIGUSR1),
            "SIGSTOP before a write": lambda: self._stop_worker(signal.SIGUSR2),
            "cut API": lambda: self._proxy("cut api"),
            "hold API": lambda: self._proxy(f"hold api {self._rng.uniform(0.3, 4):.1f}"),
            "429 storm": self._storm,
            "foreign calls": self._foreign_calls,
            "token expires": self._expire_token,
            "clock step Haravan": self._step_haravan,
        }
        of_store = environment.store.faults(rng, environment.command_proxy)
        if isinstance(environment.network, Hosts):
            of_store |= self._of_hosts(environment.network, environment.store)
        self.kinds |= {kind: partial(self._happen_to_store, fault) for kind, fault in of_store.items()}
        self._of_store = frozenset([*of_store, "kill -9 everything"])
        if unknown := set(only) - self.kinds.keys():
            raise ValueError(
                f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(self.kinds)}"
            )
        if only:
            self.kinds = {kind: self.kinds[kind] for kind in only}

    def start_base_faults(self) -> None:
        """Faults of the whole run: 5 % of calls answer 5xx, 2 % do not answer, half of both after taking effect."""
        for shop in self._environment.shops:
            faults = shop.handle.faults
            for effect in (False, True):
                faults.fail(502, rate=0.0125, effect=effect)
                faults.fail(503, rate=0.0125, effect=effect)
                faults.timeout(0.4, rate=0.009, effect=effect)
                faults.timeout(60, rate=0.001, effect=effect)  # the client gives up after 8 s

    async def run(self, *, mean_gap_s: float, load_ended: asyncio.Event, is_short: bool) -> None:
        """Inject faults until the load has ended, each kind at least once, and wait for their ends.

        In a short run each kind of stop happens once only, because a stop takes 20 s.
        """
        order = [kind for kind in self.kinds if kind != "SIGSTOP worker"]  # the precise stops show more
        self._rng.shuffle(order)
        order.sort(key=lambda kind: kind not in WORKER_STOPS)  # they take longest
        again = [kind for kind in self.kinds if not (is_short and kind in WORKER_STOPS)] or list(self.kinds)
        while order or not load_ended.is_set():
            kind = order.pop(0) if order else self._rng.choice(again)
            await asyncio.sleep(self._rng.expovariate(1) * mean_gap_s)
            if kind in self._of_store:
                async with self._store_busy:  # one at a time, each on a store that has recovered
                    pass
            self.counts[kind] += 1
            self._report(kind)
            task = asyncio.create_task(self.kinds[kind](), name=kind)
            self._running.append(task)
        await self.finish()

    async def finish(self) -> None:
        """Wait until every fault has ended. Raises the error of a fault that failed."""
        await asyncio.gather(*self._running)

    async def _kill_web(self) -> None:
        web = self._idle(self._environment.webs)
        if web is not None:
            await self._kill_and_start(web)

    async def _kill_worker(self) -> None:
        worker = self._idle(self._environment.workers)
        if worker is not None:
            await self._kill_and_start(worker)

    async def _happen_to_store(self, fault: Fault) -> None:
        async with self._store_busy:
            await fault()
            await self._environment.store.recover()

    async def _kill_everything(self) -> None:
        """Like a power failure, except for the page cache."""
        idle = [child for child in (*self._environment.webs, *self._environment.workers) if not child.busy]
        async with self._store_busy:
            for child in idle:
                child.busy = True
            await asyncio.gather(*(child.kill() for child in idle), self._environment.store.kill_all())
            await self._environment.store.restart_all()
            await asyncio.gather(*(self._start(child) for child in idle))

    def _of_hosts(self, network: Hosts, store: AnyStore) -> dict[str, Fault]:
        """The faults of hosts."""
        assert isinstance(store, ClusterStore)

        async def cut() -> None:
            network.cut(self._rng.randrange(network.hosts))
            await asyncio.sleep(self._rng.uniform(0.5, 10))
            network.join()

        async def separate() -> None:
            network.separate(*self._rng.sample(range(network.hosts), 2))
            await asyncio.sleep(self._rng.uniform(0.5, 10))
            network.join()

        async def kill() -> None:
            await self._kill_host(self._rng.randrange(network.hosts), store)

        async def lag() -> None:
            shard = self._rng.randrange(store.shards)
            number, replica = await store.primary(shard), await store.replica(shard)
            network.cut(store.host_of(replica))
            await asyncio.sleep(self._rng.uniform(0.5, 1.5))  # too short for anybody to be replaced
            store.kill(number)
            network.join()
            await store.wait_until_replaced(shard, number)
            await store.restart(number)

        return {
            "host cut off": cut,
            "two hosts cut from each other": separate,
            "kill -9 host": kill,
            "host of a replica cut off, then kill -9 primary": lag,
        }

    async def _kill_host(self, host: int, store: ClusterStore) -> None:
        """Everything on a host dies, and is back after up to 8 s: often after its servers were replaced."""
        environment = self._environment
        idle = [
            child
            for children in (environment.webs, environment.workers)
            for number, child in enumerate(children)
            if number % environment.network.hosts == host and not child.busy
        ]
        for child in idle:
            child.busy = True
        servers = [number for number in range(len(store.servers)) if store.host_of(number) == host]
        for number in servers:
            store.kill(number)
        if host == 0:
            store.queue.kill()
        await asyncio.gather(*(child.kill() for child in idle))
        await asyncio.sleep(self._rng.uniform(0, 8))
        if host == 0:
            await store.restart_queue()
        for number in servers:
            await store.restart(number)
        await asyncio.gather(*(self._start(child) for child in idle))

    async def _kill_and_start(self, child: ChildProcess) -> None:
        child.busy = True
        await child.kill()
        await asyncio.sleep(self._rng.uniform(0, 1.5))
        await self._start(child)

    async def _start(self, child: ChildProcess) -> None:
        await child.start()
        await self._environment.wait_until_ready(child)
        child.busy = False

    async def _stop_worker(self, arm: signal.Signals | None) -> None:
        """Stop a worker for longer than its lease: another takes over, then this one goes on in the middle of its run."""
        worker = self._idle(self._environment.workers, least=2)
        if worker is None:
            return
        worker.busy = True
        if await worker.pause(LEASE_S + self._rng.uniform(2, 5), arm=arm):
            self.counts["stops"] += 1
        else:
            await worker.kill()  # it had nothing to write, and would stop unnoticed some time later
            await self._start(worker)
        worker.busy = False

    async def _proxy(self, command: str) -> None:
        self._environment.command_proxy(command)

    async def _storm(self) -> None:
        shop = self._shop()
        shop.handle.faults.throttle(self._rng.uniform(0.3, 2), next=self._rng.randrange(2, 6))

    async def _foreign_calls(self) -> None:
        self._shop().handle.consume_quota(80)

    async def _expire_token(self) -> None:
        shop = self._shop()
        shop.handle.replace_token(None)
        await asyncio.sleep(self._rng.uniform(0.5, 3))
        self._tokens += 1
        token = f"{canaries.ACCESS_TOKEN}-{shop.handle.org[-1]}-{self._tokens}"
        shop.handle.replace_token(token)
        async with self._store_busy:
            await self._environment.registry.set_token(OrgId(shop.handle.org), token)

    async def _step_haravan(self) -> None:
        self._environment.sandbox.advance(self._rng.choice([2, 30, 600]))

    def _shop(self) -> ShopUnderLoad:
        return self._rng.choice(self._environment.shops)

    def _idle(self, children: list[ChildProcess], *, least: int = 1) -> ChildProcess | None:
        """A process without a fault at the moment, if there are at least `least`."""
        idle = [child for child in children if not child.busy]
        return self._rng.choice(idle) if len(idle) >= least else None


async def switch_targets(environment: Environment, rng: Random) -> None:
    """Move each shop's webhooks between the web processes, and reset the removals of the last hour.

    The load of many days passes in seconds: without the reset the removal guard would pause every shop.
    """
    while True:
        await asyncio.sleep(0.3)
        for shop in environment.shops:
            shop.handle.app(rng.choice(environment.urls()))
            try:
                await environment.store.redis.delete(keys.shop(shop.handle.org, "unexplained_removals"))
            except (RedisError, OSError):
                break  # a fault keeps the store away at the moment
