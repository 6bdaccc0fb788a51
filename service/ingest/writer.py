"""The writer of batches: one script call for each shop, and one round trip for all calls of a flush."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from redis.exceptions import (
    AskError,
    BusyLoadingError,
    ClusterDownError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

from service.domain.customers import OrgId
from service.errors import OverQuota, StoreFull, StoreUnavailable
from service.ingest.batch import ShopBatch
from service.sentence import Sentence
from service.store.client import Store, StoreMonitor, keys, script_text
from service.store.history import UNKNOWN_SHOP
from service.store.queue import NO_QUOTA, Quota, encode_events
from service.store.servers import Connection, Failover, NoReplicas, pack_command

WAIT_MS: Final = 1000  # for the replicas; a replica on the same network takes about 1 ms
RUN_ID: Final = re.compile(rb"^run_id:(\w+)", re.MULTILINE)


# Another server has the shop, or it has it later. The batch is neither written nor refused.
LATER: Final = (
    AskError,
    BusyLoadingError,
    ClusterDownError,
    ReadOnlyError,
    TryAgainError,
    NoReplicas,
    Failover,
)


class ServerNotAdmitted(StoreUnavailable):
    """The monitor did not find this server fit."""


class BatchWriter:
    """Writes batches to one server over its own connection. Calls `wake(org, number)` for a shop that needs a drain.

    With a monitor it writes only to a server that the monitor found fit, and only while that has room. With `replicas`
    a batch is written when so many replicas have it, too: a primary that fails then cannot lose it.
    """

    def __init__(
        self,
        redis: Store,
        *,
        retention_s: int,
        wake: Callable[[OrgId, int], None],
        quota: Quota = NO_QUOTA,
        monitor: StoreMonitor | None = None,
        replicas: int = 0,
    ) -> None:
        self._redis = redis
        self._retention_s = retention_s
        self._wake = wake
        self._quota = quota
        self._monitor = monitor
        self._replicas = replicas
        self._wait = pack_command("WAIT", replicas, WAIT_MS) if replicas else b""
        self._connection: Connection | None = None
        self._run_id = ""  # of the server at the other end
        self._sha = b""

    async def write(self, batches: Sequence[ShopBatch]) -> None:
        """Write the batches and settle those that the server confirmed or refused.

        Raises StoreUnavailable, redis' errors and OSError. The batches that are not settled then may have been written
        or not.
        """
        batches = self._with_room(batches)
        if self._monitor is not None and self._run_id not in self._monitor.run_ids:
            self.close()  # the monitor knows another server, or found this one unfit
        try:
            missing = await self._execute(batches)
        except (RedisConnectionError, OSError):  # an idle connection was closed: retry once on a new one
            self.close()
            missing = await self._execute([batch for batch in batches if not batch.is_settled])
        if missing:  # a restart or SCRIPT FLUSH removed the server's scripts
            self.close()
            if await self._execute(missing):
                raise NoScriptError("the server lost the script again")

    def _with_room(self, batches: Sequence[ShopBatch]) -> list[ShopBatch]:
        """The batches for which the store has room. Settles the others."""
        writable: list[ShopBatch] = []
        for batch in batches:
            if self._monitor is None or self._monitor.take_room(len(batch.events), batch.org):
                writable.append(batch)
            else:
                batch.settle(StoreFull(Sentence("Redis is nearly full")))
        return writable

    def close(self) -> None:
        """Close the connection. The next flush opens another, perhaps to another server."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()

    async def _execute(self, batches: Sequence[ShopBatch]) -> list[ShopBatch]:
        """One round trip. Returns the batches for which the server did not have the script.

        A failed call only fails the batch of its shop.
        """
        if not batches:
            return []
        connection = await self._connected(batches[0].org)
        missing: list[ShopBatch] = []
        commands = [pack_command(*self._command(batch)) for batch in batches]
        if self._wait:
            *replies, confirmed = await connection.send_batch([*commands, self._wait])
        else:
            replies, confirmed = await connection.send_batch(commands), None
        later: RedisError | None = None
        for batch, reply in zip(batches, replies, strict=True):
            if isinstance(reply, NoScriptError):
                missing.append(batch)
            elif isinstance(reply, LATER):
                later = reply
            elif isinstance(reply, Exception):
                batch.settle(
                    StoreUnavailable(Sentence("Redis refused the write: {error}", error=type(reply).__name__))
                )
            elif reply[0] == b"over_quota":
                batch.settle(OverQuota(reply[1].decode()))
            else:
                self._settle(batch, reply, confirmed)
        if later is not None:
            raise later
        return missing

    def _command(self, batch: ShopBatch) -> tuple[Any, ...]:
        # The deliveries of unknown shops have no customers, and are trimmed to a number of their own.
        quota = NO_QUOTA if batch.org == UNKNOWN_SHOP else self._quota
        arg = encode_events(batch.events, lane="live", retention_s=self._retention_s, quota=quota)
        return (b"EVALSHA", self._sha, 2, *keys.of_script(batch.org), *arg)

    def _settle(self, batch: ShopBatch, reply: list[Any], confirmed: Any) -> None:
        wake, number, _, _, outcomes, duplicates = reply
        batch.outcomes = outcomes.decode().split(",")
        batch.duplicates = duplicates.count(b"1")
        if wake:
            self._wake(batch.org, number)
        # WAIT is answered with the number of replicas that have all earlier writes of this connection.
        if self._wait and (isinstance(confirmed, Exception) or confirmed < self._replicas):
            batch.settle(StoreUnavailable(Sentence("no replica confirmed the write")))
        else:
            batch.settle(None)

    async def _connected(self, org: OrgId) -> Connection:
        """The connection. No other caller shares it: it stays with the server that the monitor found fit."""
        if self._connection is None:
            server = await self._redis.router.find_owner_of(keys.shop(org))
            self._connection = connection = await server.open_another()
            if self._monitor is not None:
                await self._require_fit(connection, self._monitor)
            load = pack_command("SCRIPT", "LOAD", script_text("queue", "mark_dirty"))
            self._sha = await connection.send(load)
        return self._connection

    async def _require_fit(self, connection: Connection, monitor: StoreMonitor) -> None:
        """Raises StoreUnavailable unless the server at the other end was checked. It cannot change: a connection is one server."""
        info: bytes = await connection.send(pack_command("INFO", "server"))
        match = RUN_ID.search(info)
        self._run_id = match[1].decode() if match else ""
        if not await monitor.admits(self._run_id):
            raise ServerNotAdmitted(Sentence("the Redis server is not fit to acknowledge webhooks"))
