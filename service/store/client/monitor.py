"""The store monitor: which server answers, whether it is fit to acknowledge webhooks, and how much room it has.

A server is recognised by its run id, which is new after every start. Our data is recognised by the id in `{p0}store`.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Final, Literal, NamedTuple

import structlog
from redis.exceptions import OutOfMemoryError

from service.errors import TaggerError
from service.store.client import keys
from service.store.client.connection import RedisClient
from service.store.client.durability import (
    MAX_USED,
    Durability,
    ServerCheck,
    evaluate_server,
    load_server,
    memory_used,
)

MIN_INTERVAL_S: Final = 0.3  # of the checks that failed writes cause
MARGIN_MS: Final = 15 * 60_000  # before the store was last seen: webhooks were on their way, clocks differ
MAX_LAG_MS: Final = (
    30_000  # older data than we have seen; a smaller difference may be a step of the server's clock
)
EVENT_BYTES: Final = 1_000  # the most memory that one webhook takes, measured: 500 to 800
ALERT_AFTER_CHECKS: Final = 2  # a failover may show the old primary for a moment

ChangeKind = Literal["started", "restarted", "rewound", "emptied"]


class StoreChange(NamedTuple):
    """What a check found.

    `started`: this process is new. `restarted`: the server was, with its data. `rewound`: the data may lack the latest
    writes, because the server was a replica, loaded an old copy, or does not write each change to disk. `emptied`: the
    data is gone, or it is other data.
    """

    kind: ChangeKind
    since_ms: int = 0  # customers that changed since may be wrong; 0 = none


class StoreUnfit(TaggerError):
    """The server must not acknowledge anything. The message says why, one reason a line."""


class _Seen(NamedTuple):
    """What the last check of a fit server saw."""

    run_id: str
    store_id: str
    now_ms: int
    saved_ms: int  # the time that the workers last saved in the store


class _Answer(NamedTuple):
    """One answer of a server."""

    seen: _Seen
    checked_run_id: str  # of the server that was checked last, as the data has it
    was_replica: bool  # or has loaded a snapshot: its data may be older than what was acknowledged
    findings: list[ServerCheck]
    room: float  # bytes until the store counts as full


class StoreMonitor:
    """Checks the server at an interval, and whenever a writer meets one that was not checked.

    `on_change` repairs what a change of the server may have broken. Until it returns, nothing is acknowledged. Its
    errors end the check, and the next check calls it again. `on_unfit` gets the reasons why nothing is acknowledged.
    """

    def __init__(
        self,
        redis: RedisClient,
        durability: Durability,
        *,
        on_change: Callable[[StoreChange], Awaitable[None]],
        on_unfit: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._redis = redis
        self._durability = durability
        self._on_change = on_change
        self._on_unfit = on_unfit
        self._lock = asyncio.Lock()
        self._seen: _Seen | None = None
        self._unfit_checks = 0
        self._room = math.inf
        self._started_s = -math.inf
        self.run_id = ""  # of the server that may acknowledge; "" = none
        self.findings: list[ServerCheck] = []

    @property
    def is_fit(self) -> bool:
        """Whether the server that was checked last may acknowledge webhooks."""
        return bool(self.run_id)

    async def check(self) -> None:
        """One check. Raises StoreUnfit, redis' errors, and what `on_change` raises."""
        async with self._lock:
            self._started_s = time.monotonic()
            await self._check()

    async def admits(self, run_id: str) -> bool:
        """Whether the server with this run id may acknowledge. One that was not checked is checked first."""
        if run_id != self.run_id and time.monotonic() - self._started_s > MIN_INTERVAL_S:
            try:
                await self.check()
            except StoreUnfit:
                return False
        return run_id == self.run_id

    def take_room(self, events: int) -> bool:
        """Count events that are about to be written. False if the store is too full for them.

        Between two checks the room is an estimate that is too small rather than too large.
        """
        self._room -= events * EVENT_BYTES
        return self._room > 0

    async def _check(self) -> None:
        answer = await self._ask()
        self.findings = answer.findings
        reasons = [finding.text for finding in answer.findings if finding.level == "refused"]
        if reasons:
            await self._redis.connection_pool.disconnect(inuse_connections=False)  # perhaps to an old primary
            self._refuse("\n".join(reasons))
        self._unfit_checks = 0
        change = self._change(answer)
        seen = answer.seen
        if change is not None:
            self.run_id = ""
            await self._on_change(change)
            seen = await self._sign(answer)
            _log(change, self.findings)
        self._seen, self._room, self.run_id = seen, answer.room, seen.run_id

    def _refuse(self, reasons: str) -> None:
        self._unfit_checks += 1
        if self.run_id or self._unfit_checks == 1:
            structlog.get_logger().error("store_check", outcome="unfit", cause=reasons)
        self.run_id = ""
        if self._unfit_checks >= ALERT_AFTER_CHECKS:
            self._on_unfit(reasons)
        raise StoreUnfit(reasons)

    async def _ask(self) -> _Answer:
        """Ask one server, over one connection: its settings, and what the data knows of itself."""
        async with self._redis.pipeline(transaction=False) as pipe:
            load_server(pipe)
            pipe.time()
            pipe.hmget(keys.of_partition(0, "store"), "id", "run_id")
            pipe.get(keys.of_partition(0, "last_server_time"))
            info, config, *replies = await pipe.execute(raise_on_error=False)
        findings = evaluate_server(info, config, self._durability)
        for reply in replies:
            # A server that refuses to read is unfit for a reason that `findings` may have.
            if isinstance(reply, Exception) and not any(each.level == "refused" for each in findings):
                raise reply
        if any(isinstance(reply, Exception) for reply in replies):
            replies = [(0, 0), (None, None), None]
        (seconds, micros), (store_id, checked), saved = replies
        used, limit = memory_used(info)
        return _Answer(
            _Seen(
                str(info["run_id"]),
                (store_id or b"").decode(),
                int(seconds) * 1000 + int(micros) // 1000,
                int(saved or 0),
            ),
            (checked or b"").decode(),
            int(info.get("second_repl_offset", -1)) != -1,
            findings,
            MAX_USED * limit - used if limit else math.inf,
        )

    def _change(self, answer: _Answer) -> StoreChange | None:
        """What is new since the last check. None: nothing."""
        seen, known = answer.seen, self._seen
        was_checked = answer.checked_run_id == seen.run_id
        may_lack_writes = answer.was_replica or self._durability == "everysec"
        if known is None:
            if seen.store_id and may_lack_writes and not was_checked:
                return StoreChange("rewound", _before(seen.saved_ms))
            return StoreChange("started")
        since_ms = _before(min(known.now_ms, seen.now_ms))
        if known.store_id and seen.store_id != known.store_id:
            return StoreChange("emptied", since_ms)
        if (
            seen.run_id == known.run_id
        ):  # if it was unfit meanwhile, it may have evicted keys, and webhooks got 503
            return None if self.run_id else StoreChange("rewound", since_ms)
        if known.saved_ms - seen.saved_ms > MAX_LAG_MS or (may_lack_writes and not was_checked):
            return StoreChange("rewound", min(since_ms, _before(seen.saved_ms or known.now_ms)))
        return StoreChange("restarted")

    async def _sign(self, answer: _Answer) -> _Seen:
        """Write into the data that this server was checked. Last, so that a crash before it repeats the repair."""
        key, seen = keys.of_partition(0, "store"), answer.seen
        store_id = seen.store_id
        try:
            if not store_id:
                await self._redis.hsetnx(key, "id", secrets.token_hex(8))
                store_id = (await self._redis.hget(key, "id") or b"").decode()
            if answer.checked_run_id != seen.run_id:
                await self._redis.hset(key, "run_id", seen.run_id)
        except OutOfMemoryError:
            pass  # deletions and what needs no memory must go on; a later check may repeat the repair
        return seen._replace(store_id=store_id)


def _before(at_ms: int) -> int:
    return max(1, at_ms - MARGIN_MS)


def _log(change: StoreChange, findings: list[ServerCheck]) -> None:
    log = structlog.get_logger()
    write = log.info if change.kind == "started" else log.warning
    write("store_check", outcome=change.kind, since_ms=change.since_ms or None)
    for finding in findings:
        log.warning("store_check", outcome=finding.level, cause=finding.name, text=finding.text)
