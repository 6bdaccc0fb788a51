"""The webhook deliveries of one shop: signed, retried for 48 h, with faults on request."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

import aiohttp

from deploy.sandbox.webhooks.outbox import RETRY_AFTER_S, Delivery, Outbox, retry_wait_s
from deploy.sandbox.webhooks.sender import Target, post


@dataclass(frozen=True, slots=True)
class Sent:
    """One attempt. `status` is 0 if there was no response in time, and None if the delivery was dropped on purpose."""

    topic: str
    customer: int
    status: int | None
    attempt: int
    when: float


@dataclass(slots=True)
class Deliveries:
    """The settings and the queue of a shop's deliveries. Rates are probabilities from 0 to 1.

    `time_scale` multiplies the waits before retries. The subscription ends after the last retry of one
    delivery; with `count_across`, after 19 failures in a row of any deliveries. `header` is the name of the
    signature header. `chunk_bytes` sends bodies in pieces of that size, which splits Vietnamese letters.
    `missing_fields` are left out of bodies.
    """

    clock: Callable[[], float]
    target: Callable[[], Target | None]
    unsubscribe: Callable[[], None]
    rng: Random = field(default_factory=lambda: Random(0))
    duplicate_rate: float = 0.0
    reorder_rate: float = 0.0
    reorder_window_s: float = 0.5
    drop_rate: float = 0.0
    delay_s: float = 0.0
    concurrency: int = 32
    timeout_s: float = 5.0
    time_scale: float = 1.0
    count_across: bool = False
    failures_in_row: int = 0
    header: str = "X-Haravan-HmacSha256"
    chunk_bytes: int = 0
    missing_fields: frozenset[str] = frozenset()
    paused: bool = False
    log: deque[Sent] = field(default_factory=lambda: deque(maxlen=100_000))
    _outbox: Outbox = field(default_factory=Outbox)
    _sending: set[asyncio.Task[None]] = field(default_factory=set)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _running: bool = False

    @property
    def pending(self) -> int:
        """The number of deliveries waiting or being sent, including retries."""
        return len(self._outbox) + len(self._sending)

    @property
    def waiting(self) -> list[Delivery]:
        """The waiting deliveries, in the order in which they are due."""
        return self._outbox.waiting()

    def pause(self) -> None:
        """Send nothing until `resume`."""
        self.paused = True

    def resume(self) -> None:
        self.paused = False
        self.wake()

    def clear(self) -> None:
        """Delete all waiting deliveries."""
        self._outbox.clear()
        self.wake()

    def push(self, delivery: Delivery) -> None:
        """Queue a delivery. It may be dropped, delayed or duplicated, as the settings say."""
        now = self.clock()
        if self._happens(self.drop_rate):
            self.log.append(Sent(delivery.topic, delivery.customer_id, None, 0, now))
            return
        reorder_s = self.rng.uniform(0, self.reorder_window_s) if self._happens(self.reorder_rate) else 0.0
        self._outbox.push(delivery, due=now + self.delay_s + reorder_s)
        if self._happens(self.duplicate_rate):
            self._outbox.push(replace(delivery), due=now + self.delay_s)
        self.wake()

    def wake(self) -> None:
        """Check again what is due, here and in `wait_idle`."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def wait_idle(self, *, retries: bool = False) -> None:
        """Wait until everything was sent once and nothing is due; with `retries`, until nothing waits at all.

        Does not wait for deliveries held back by `pause`. Raises RuntimeError while the sandbox is not served.
        """
        while self._is_busy(retries=retries):
            if not self._running:
                raise RuntimeError("deliveries are sent only while the sandbox is served")
            await self._changed.wait()

    @property
    def next_due(self) -> float | None:
        """When the next delivery is due; None if none waits, or if all are held back by `pause`."""
        return None if self.paused else self._outbox.next_due()

    async def wait_due(self) -> None:
        """Wait until everything that is due now was sent. Raises RuntimeError while the sandbox is not served."""
        while self._sending or ((due := self.next_due) is not None and due <= self.clock()):
            if not self._running:
                raise RuntimeError("deliveries are sent only while the sandbox is served")
            await self._changed.wait()

    def start(self, session: aiohttp.ClientSession) -> asyncio.Task[None]:
        """Send what is due, until the task is cancelled."""
        self._running = True
        return asyncio.create_task(self._run(session))

    async def _run(self, session: aiohttp.ClientSession) -> None:
        try:
            while True:
                self._start_due(session)
                await self._until_next()
        finally:
            self._running = False
            for task in self._sending:
                task.cancel()
            await asyncio.gather(*self._sending, return_exceptions=True)

    def _happens(self, rate: float) -> bool:
        return rate > 0 and self.rng.random() < rate

    def _is_busy(self, *, retries: bool) -> bool:
        if self._sending or self.paused:
            return bool(self._sending)
        if retries or not len(self._outbox):
            return len(self._outbox) > 0
        return self._outbox.unsent > 0 or (self._outbox.next_due() or 0.0) <= self.clock()

    def _start_due(self, session: aiohttp.ClientSession) -> None:
        now = self.clock()
        while not self.paused and len(self._sending) < self.concurrency:
            delivery = self._outbox.pop(now)
            if delivery is None:
                return
            task = asyncio.create_task(self._send(session, delivery))
            self._sending.add(task)
            task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self.wake()

    async def _until_next(self) -> None:
        due = self._outbox.next_due()
        full = self.paused or len(self._sending) >= self.concurrency
        wait_s = None if due is None or full else max(0.005, due - self.clock())
        try:
            await asyncio.wait_for(self._changed.wait(), wait_s)
        except TimeoutError:
            return

    async def _send(self, session: aiohttp.ClientSession, delivery: Delivery) -> None:
        target = self.target()
        if target is None:
            return
        status = await post(session, delivery, target, self)
        self.log.append(Sent(delivery.topic, delivery.customer_id, status, delivery.attempt, self.clock()))
        if status == 200:
            self.failures_in_row = 0
        else:
            self.failures_in_row += 1
            self._retry(delivery)

    def _retry(self, delivery: Delivery) -> None:
        if self.target() is None:
            return
        delivery.failures += 1
        wait_s = retry_wait_s(delivery.failures, time_scale=self.time_scale)
        if wait_s is None or (self.count_across and self.failures_in_row >= len(RETRY_AFTER_S)):
            self.unsubscribe()
        else:
            self._outbox.push(delivery, due=self.clock() + wait_s)
