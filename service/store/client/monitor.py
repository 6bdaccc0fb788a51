"""The store monitor: which servers answer, whether they are fit to acknowledge webhooks, and how much room they have.

A server is recognised by its run id, which is new after every start. Our data is recognised by the id in `{pN}store` of a
partition that the server has.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Final, Literal, NamedTuple

import structlog
from redis.exceptions import AskError, OutOfMemoryError, RedisError

from service.domain.customers import OrgId
from service.errors import TaggerError
from service.store.client import keys
from service.store.client.connection import RedisClient, Store
from service.store.client.durability import (
    MAX_USED,
    Durability,
    ServerCheck,
    away,
    decode_layout,
    evaluate_layout,
    evaluate_server,
    load_server,
    memory_used,
    queue_layout,
)

MIN_INTERVAL_S: Final = 0.3  # of the checks that failed writes cause
MARGIN_MS: Final = 15 * 60_000  # before the store was last seen: webhooks were on their way, clocks differ
MAX_LAG_MS: Final = (
    30_000  # older data than we have seen; a smaller difference may be a step of the server's clock
)
EVENT_BYTES: Final = 1_000  # the most memory that one webhook takes, measured: 500 to 800
ALERT_AFTER_CHECKS: Final = 2  # a failover may show the old primary for a moment

ALL_PARTITIONS: Final = frozenset(keys.PARTITIONS)

ChangeKind = Literal["started", "restarted", "rewound", "emptied"]


class StoreChange(NamedTuple):
    """What a check found.

    `started`: this process is new. `restarted`: the server was, with its data. `rewound`: the data may lack the latest
    writes, because the server was a replica, loaded an old copy, or does not write each change to disk. `emptied`: the
    data is gone, or it is other data.
    """

    kind: ChangeKind
    since_ms: int = 0  # customers that changed since may be wrong; 0 = none
    partitions: frozenset[int] = ALL_PARTITIONS  # those that the server has


class StoreUnfit(TaggerError):
    """The server must not acknowledge anything. The message says why, one reason a line."""


class _Seen(NamedTuple):
    """What the last check of a fit server saw."""

    run_id: str
    store_id: str
    partition: int  # which has the id
    now_ms: int
    saved_ms: int  # the time that the workers last saved in the store


class _Answer(NamedTuple):
    """One answer of a server."""

    seen: _Seen
    checked_run_id: str  # of the server that was checked last, as the data has it
    was_replica: bool  # or has loaded a snapshot: its data may be older than what was acknowledged
    findings: list[ServerCheck]
    room: float  # bytes until the store counts as full


class _ServerMonitor:
    """Checks one server; in a cluster, the one at an address."""

    def __init__(
        self,
        durability: Durability,
        on_change: Callable[[StoreChange], Awaitable[None]],
        *,
        is_cluster: bool,
    ) -> None:
        self._durability = durability
        self._on_change = on_change
        self._is_cluster = is_cluster
        self._seen: _Seen | None = None
        self._partitions: Collection[int] = ()
        self.room = math.inf
        self.run_id = ""  # of the server, if it may acknowledge
        self.findings: list[ServerCheck] = []

    async def check(self, redis: RedisClient, partitions: frozenset[int]) -> None:
        """One check of the server that has these partitions. Raises StoreUnfit, redis' errors, and those of `on_change`."""
        answer = await self._ask(redis, min(partitions))
        self.findings = answer.findings
        reasons = [finding.text for finding in answer.findings if finding.level == "refused"]
        if reasons:
            self.run_id = ""
            raise StoreUnfit("\n".join(reasons))
        change = self._change(answer)
        seen = answer.seen
        if change is not None:
            self.run_id = ""
            change = change._replace(partitions=partitions)
            await self._on_change(change)
        if change is not None or partitions != self._partitions:
            seen = await self._sign(redis, answer, partitions)
            self._partitions = partitions
        if change is not None:
            _log(change, self.findings)
        self._seen, self.room, self.run_id = seen, answer.room, seen.run_id

    async def _ask(self, redis: RedisClient, partition: int) -> _Answer:
        """Ask the server, over one connection: its settings, and what the data knows of itself."""
        async with redis.pipeline(transaction=False) as pipe:
            load_server(pipe)
            pipe.time()
            pipe.hmget(keys.of_partition(partition, "store"), "id", "run_id")
            pipe.get(keys.of_partition(partition, "last_server_time"))
            queue_layout(pipe, partition)
            info, config, *replies, layout = await pipe.execute(raise_on_error=False)
        findings = evaluate_server(info, config, self._durability, is_cluster=self._is_cluster)
        if not isinstance(layout, Exception):
            findings += evaluate_layout(decode_layout([layout]))
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
                partition,
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
        if known.store_id and seen.store_id != known.store_id and seen.partition == known.partition:
            return StoreChange("emptied", since_ms)
        if (
            seen.run_id == known.run_id
        ):  # if it was unfit meanwhile, it may have evicted keys, and webhooks got 503
            return None if self.run_id else StoreChange("rewound", since_ms)
        if known.saved_ms - seen.saved_ms > MAX_LAG_MS or (may_lack_writes and not was_checked):
            return StoreChange("rewound", min(since_ms, _before(seen.saved_ms or known.now_ms)))
        return StoreChange("restarted")

    async def _sign(self, redis: RedisClient, answer: _Answer, partitions: Collection[int]) -> _Seen:
        """Write into the data that this server was checked. Last, so that a crash before it repeats the repair.

        In a cluster each partition is signed, because it may be moved to another server.
        """
        seen = answer.seen
        signed = sorted(partitions) if self._is_cluster else [seen.partition]
        store_id = seen.store_id or secrets.token_hex(8)
        try:
            async with redis.pipeline(transaction=False) as pipe:
                for partition in signed:
                    pipe.hsetnx(keys.of_partition(partition, "store"), "layout", keys.LAYOUT)
                    pipe.hsetnx(keys.of_partition(partition, "store"), "id", store_id)
                    pipe.hset(keys.of_partition(partition, "store"), "run_id", seen.run_id)
                pipe.hget(keys.of_partition(seen.partition, "store"), "id")
                *_, stored = await pipe.execute()
            store_id = (stored or b"").decode()
        except OutOfMemoryError:
            store_id = seen.store_id  # what needs no memory must go on; a later check may repeat the repair
        return seen._replace(store_id=store_id)


async def _stay() -> bool:
    """Follow no move."""
    return False


class StoreMonitor:
    """Checks each server at an interval, and whenever a writer meets one that was not checked.

    `on_change` repairs what a change of a server may have broken. Until it returns, that server acknowledges nothing. Its
    errors end the check, and the next check calls it again. `on_unfit` gets the reasons why nothing is acknowledged.
    `follow` is called when the data is being moved to another store. It returns whether the client uses that store now.
    """

    def __init__(
        self,
        redis: Store,
        durability: Durability,
        *,
        on_change: Callable[[StoreChange], Awaitable[None]],
        on_unfit: Callable[[str], None] = lambda _: None,
        follow: Callable[[], Awaitable[bool]] = _stay,
    ) -> None:
        self._follow = follow
        self._redis = redis
        self._durability = durability
        self._on_change = on_change
        self._on_unfit = on_unfit
        self._lock = asyncio.Lock()
        self._servers: dict[object, _ServerMonitor] = {}  # by address; a single server and Sentinel have one
        self._unfit_checks = 0
        self._was_fit = False
        self._started_s = -math.inf

    @property
    def is_fit(self) -> bool:
        """Whether a server that was checked last may acknowledge webhooks."""
        return any(server.run_id for server in self._servers.values())

    @property
    def run_ids(self) -> frozenset[str]:
        """Of the servers that may acknowledge."""
        return frozenset(server.run_id for server in self._servers.values() if server.run_id)

    @property
    def findings(self) -> list[ServerCheck]:
        """What the last check found, of all servers."""
        if len(self._servers) == 1:
            return [finding for server in self._servers.values() for finding in server.findings]
        return [
            finding if finding.server else finding.at(endpoint)
            for endpoint, server in self._servers.items()
            for finding in server.findings
        ]

    async def check(self) -> None:
        """One check of all servers. Raises StoreUnfit, redis' errors, and what `on_change` raises.

        An error of one server does not keep the others from being checked.
        """
        async with self._lock:
            self._started_s = time.monotonic()
            try:
                await self._check()
            except StoreUnfit:
                if not (any(finding.name == "moved" for finding in self.findings) and await self._follow()):
                    raise
                self._servers.clear()
                await self._check()

    async def admits(self, run_id: str) -> bool:
        """Whether the server with this run id may acknowledge. One that was not checked is checked first."""
        if run_id not in self.run_ids and time.monotonic() - self._started_s > MIN_INTERVAL_S:
            try:
                await self.check()
            except (StoreUnfit, RedisError):
                return run_id in self.run_ids
        return run_id in self.run_ids

    def take_room(self, events: int, org: OrgId = keys.SERVICE) -> bool:
        """Count events of this shop that are about to be written. False if its server is too full for them.

        Between two checks the room is an estimate that is too small rather than too large.
        """
        server = self._server_of(org)
        if server is None:
            return True
        server.room -= events * EVENT_BYTES
        return server.room > 0

    def _server_of(self, org: OrgId) -> _ServerMonitor | None:
        if not self._redis.router.is_cluster:
            return self._servers.get(None)
        return self._servers.get(self._redis.router.endpoint_of(keys.shop(org)))

    async def _check(self) -> None:
        if not self._redis.router.is_cluster:
            results: dict[object, Exception | None] = {
                None: await self._check_one(None, self._redis, ALL_PARTITIONS)
            }
        else:
            owned = await self._redis.owned_partitions()
            self._servers = {key: server for key, server in self._servers.items() if key in owned}
            checks = [
                self._check_one(endpoint, server, partitions)
                for endpoint, (server, partitions) in owned.items()
            ]
            results = dict(zip(owned, await asyncio.gather(*checks), strict=True))
        errors = [error for error in results.values() if error is not None]
        reasons = [str(error) for error in errors if isinstance(error, StoreUnfit)]
        if reasons:
            self._refuse("\n".join(reasons))
        self._unfit_checks, self._was_fit = 0, self.is_fit
        if errors:
            raise errors[0]

    async def _check_one(
        self, key: object, redis: RedisClient, partitions: frozenset[int]
    ) -> Exception | None:
        server = self._servers.get(key)
        if server is None:
            is_cluster = self._redis.router.is_cluster
            server = self._servers[key] = _ServerMonitor(
                self._durability, self._on_change, is_cluster=is_cluster
            )
        try:
            await server.check(redis, partitions)
        except AskError:  # or MovedError: a slot is on its way to another server, and the next check finds it
            return None
        except RedisError as exc:
            if key is not None:
                server.findings = [away(key)]
            return exc
        except Exception as exc:  # noqa: BLE001  # raised by `check` when all servers were checked
            return exc
        return None

    def _refuse(self, reasons: str) -> None:
        self._unfit_checks += 1
        if self._was_fit or self._unfit_checks == 1:
            structlog.get_logger().error("store_check", outcome="unfit", cause=reasons)
        self._was_fit = False
        if self._unfit_checks >= ALERT_AFTER_CHECKS:
            self._on_unfit(reasons)
        raise StoreUnfit(reasons)


def _before(at_ms: int) -> int:
    return max(1, at_ms - MARGIN_MS)


def _log(change: StoreChange, findings: list[ServerCheck]) -> None:
    log = structlog.get_logger()
    write = log.info if change.kind == "started" else log.warning
    write("store_check", outcome=change.kind, since_ms=change.since_ms or None)
    for finding in findings:
        log.warning("store_check", outcome=finding.level, cause=finding.name, text=finding.text)
