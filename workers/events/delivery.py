"""The delivery of events: a sweep that finds endpoints with events, and the arq job that sends them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec
import structlog
from redis.asyncio.lock import Lock
from redis.exceptions import LockError

from service.alerts import Alerts
from service.context import Context
from service.domain.customers import OrgId
from service.domain.events import (
    Answer,
    Decision,
    Endpoint,
    EndpointState,
    Event,
    after_answer,
    is_due,
    next_state,
    sign,
    valid_secrets,
)
from service.errors import NotFound, TaggerError
from service.operations import endpoints as operations
from service.store.client import DRAIN_QUEUE, RedisClient, keys
from service.store.events import Source, endpoints, outbox
from service.store.jobs import Counters
from service.store.shops import Shop
from workers.events.sender import EventSender

EVENT_JOB: Final = "events"
# At once in one process. Each takes a place of arq's 50, and drains must always find one.
CONCURRENCY: Final = 16
TIME_BUDGET_S: Final = 10.0  # of a job; arq ends one after 60 s
LOCK_TIMEOUT_S: Final = 40  # renewed before each request, which takes 15 s at most


@dataclass(slots=True)
class _Counts:
    """What a job did, for its log line."""

    delivered: int = 0
    rejected: int = 0
    failure: str = ""


class _Next(NamedTuple):
    """The entry that is next, with its event if the endpoint wants one. `state`: how far the endpoint is afterwards."""

    event: Event | None
    source: Source
    entry: str
    state: EndpointState
    is_retry: bool = False


@dataclass(frozen=True, slots=True)
class EventDelivery:
    """Sends the events of all shops. One instance serves a whole process."""

    context: Context
    sender: EventSender
    counters: Counters
    alerts: Alerts
    jitter: Callable[[], float]
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONCURRENCY))

    async def sweep(self) -> int:
        """Enqueue a job for each endpoint that has events and is due. Returns how many were enqueued."""
        redis, enqueued = self.context.redis, 0
        for org in await endpoints.shops(redis):
            known = await endpoints.list_all(redis, org)
            if not known:
                await endpoints.forget_shop(redis, org)
                continue
            newest, now_ms = await outbox.newest_ids(redis, org), await self.context.now_ms()
            for endpoint, state in known:
                has_events = outbox.is_behind(state, newest) or await endpoints.next_retry(
                    redis, org, endpoint.id
                )
                if has_events and is_due(endpoint, state, now_ms=now_ms):
                    enqueued += await _enqueue(redis, org, endpoint.id)
        return enqueued

    async def __call__(self, org: OrgId, endpoint_id: str) -> bool:
        """Send events to one endpoint for some seconds. Returns whether there may be more to send now.

        Raises only if Redis is away.
        """
        if self.slots.locked():
            return False  # the next sweep enqueues it again
        async with self.slots:
            lock = Lock(
                self.context.redis,
                keys.shop(org, f"endpoint_lock:{endpoint_id}"),
                timeout=LOCK_TIMEOUT_S,
                blocking=False,
                thread_local=False,
            )
            if not await lock.acquire():
                return False
            counts = _Counts()
            try:
                return await self._send_all(org, endpoint_id, lock, counts)
            except NotFound:
                return False  # removed meanwhile
            except LockError:
                return False  # this process was suspended, and another one sends
            except TaggerError as exc:  # the secret cannot be opened
                counts.failure = str(exc)
                return False
            finally:
                await _release(lock)
                self._log(org, endpoint_id, counts)

    async def _send_all(self, org: OrgId, endpoint_id: str, lock: Lock, counts: _Counts) -> bool:
        shop, end = await self.context.shops.get_or_raise(org), time.monotonic() + TIME_BUDGET_S
        while time.monotonic() < end:
            endpoint, state = await endpoints.get(self.context.redis, org, endpoint_id)
            if not is_due(endpoint, state, now_ms=await self.context.now_ms()):
                return False
            found = await self._next(org, endpoint, state)
            if found is None:
                return False
            await lock.extend(LOCK_TIMEOUT_S, replace_ttl=True)
            if not await self._send(shop, endpoint, state, found, counts):
                return False
        return True

    async def _next(self, org: OrgId, endpoint: Endpoint, state: EndpointState) -> _Next | None:
        """The next event for the endpoint, and how far the endpoint is when it is done with it. None: no entry is left."""
        retry = await endpoints.next_retry(self.context.redis, org, endpoint.id)
        if retry is not None:
            entry = await outbox.read_one(self.context.redis, org, *retry)
            return _Next(entry.event if entry else None, *retry, state, is_retry=True)
        ids: dict[Source, str] = {"ledger": state.ledger, "notices": state.notices}
        entries = await outbox.read_after(self.context.redis, org, ids)
        for entry in entries:
            ids[entry.source] = entry.id
            is_wanted = entry.event is not None and entry.event.type in endpoint.events
            if is_wanted or entry is entries[-1]:
                after = msgspec.structs.replace(state, ledger=ids["ledger"], notices=ids["notices"])
                return _Next(entry.event if is_wanted else None, entry.source, entry.id, after)
        return None

    async def _send(
        self, shop: Shop, endpoint: Endpoint, state: EndpointState, found: _Next, counts: _Counts
    ) -> bool:
        """Send one event, if there is one, and save what follows. Returns whether the next one may be sent."""
        redis, org, now_ms = self.context.redis, shop.org, await self.context.now_ms()
        decision, failure = Decision(advance=True), ""
        if found.event is not None:
            answer = await self._post(shop, endpoint, found.event, now_ms)
            decision = after_answer(answer, attempts=state.attempts, jitter=self.jitter())
            failure = "" if decision.advance and not decision.is_dead else answer.text
        after = (
            found.state
            if found.event is None
            else next_state(state, found.state, decision, failure, now_ms=now_ms)
        )

        def decide(stored: Endpoint, current: EndpointState) -> tuple[Endpoint, EndpointState] | None:
            if current != state:  # a person has changed it meanwhile: the event may be sent again
                return None
            return msgspec.structs.replace(stored, disabled=decision.disable or stored.disabled), after

        if decision.is_dead:
            entry, source = found.entry, found.source
            await endpoints.add_dead(redis, org, endpoint.id, source=source, entry=entry, cause=failure)
        if found.is_retry and decision.advance:
            await endpoints.close_retry(redis, org, endpoint.id, found.source, found.entry)
        if found.event is not None:
            self._count(org, endpoint, decision, failure, counts)
        return await endpoints.change(redis, org, endpoint.id, decide) and decision.advance

    async def _post(self, shop: Shop, endpoint: Endpoint, event: Event, now_ms: int) -> Answer:
        secrets = operations.open_secrets(shop, endpoint.id, valid_secrets(endpoint, now_ms=now_ms))
        headers, body = sign(event, secrets, at_s=now_ms // 1000)
        return await self.sender.send(endpoint.url, headers, body)

    def _count(
        self, org: OrgId, endpoint: Endpoint, decision: Decision, failure: str, counts: _Counts
    ) -> None:
        outcome = "rejected" if decision.is_dead else "delivered" if decision.advance else "failed"
        counts.delivered += outcome == "delivered"
        counts.rejected += outcome == "rejected"
        counts.failure = failure
        self.counters.add("events", outcome=outcome)
        if decision.disable:
            self.alerts.raise_alert(
                "endpoint_disabled",
                f"endpoint {endpoint.id} does not accept events ({failure}), and nothing is sent to it any more. Its place is "
                f"kept: repair the receiver, then tagger events enable {org} {endpoint.id}",
                org=org,
            )

    def _log(self, org: OrgId, endpoint_id: str, counts: _Counts) -> None:
        outcome = "failed" if counts.failure else "done"
        write = structlog.get_logger().warning if counts.failure else structlog.get_logger().info
        write(
            "event_delivery",
            org=org,
            endpoint=endpoint_id,
            outcome=outcome,
            delivered=counts.delivered,
            rejected=counts.rejected,
            cause=counts.failure or None,
        )


async def _enqueue(redis: RedisClient, org: OrgId, endpoint_id: str) -> bool:
    """Enqueue the job, unless it is enqueued already."""
    job = await redis.queue.enqueue_job(
        EVENT_JOB, org, endpoint_id, _job_id=f"{EVENT_JOB}:{org}:{endpoint_id}", _queue_name=DRAIN_QUEUE
    )
    return job is not None


async def _release(lock: Lock) -> None:
    try:
        await lock.release()
    except LockError:  # another process has it
        return
