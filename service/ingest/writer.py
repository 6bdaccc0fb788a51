"""The writer of batches: one script call for each shop, and one round trip for all calls of a flush."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import hiredis
from arq.connections import ArqRedis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MasterDownError, NoScriptError, ReadOnlyError, ResponseError

from service.domain.customers import OrgId
from service.errors import OverQuota, StoreFull, StoreUnavailable
from service.ingest.batch import ShopBatch
from service.store.client import StoreMonitor, keys, script_text
from service.store.history import UNKNOWN_SHOP
from service.store.queue import NO_QUOTA, Quota, encode_events

RUN_ID: Final = re.compile(rb"^run_id:(\w+)", re.MULTILINE)


class BatchWriter:
    """Writes batches over its own connection. Calls `wake(org, number)` for a shop that needs a drain.

    With a monitor it writes only to the server that the monitor found fit, and only while that has room.
    """

    def __init__(
        self,
        redis: ArqRedis,
        *,
        retention_s: int,
        wake: Callable[[OrgId, int], None],
        quota: Quota = NO_QUOTA,
        monitor: StoreMonitor | None = None,
    ) -> None:
        self._redis = redis
        self._retention_s = retention_s
        self._wake = wake
        self._quota = quota
        self._monitor = monitor
        self._connection: Any = None  # redis-py's connection, which is not typed
        self._run_id = ""  # of the server at the other end
        self._sha = b""

    async def write(self, batches: Sequence[ShopBatch]) -> None:
        """Write the batches and settle those that the server confirmed or refused.

        Raises StoreUnavailable, redis' errors and OSError. The batches that are not settled then may have been written
        or not.
        """
        batches = self._with_room(batches)
        if self._monitor is not None and self._run_id != self._monitor.run_id:
            await self.close()  # the monitor knows another server, or found this one unfit
        try:
            missing = await self._execute(batches)
        except (RedisConnectionError, OSError):  # an idle connection was closed: retry once on a new one
            await self.close()
            missing = await self._execute([batch for batch in batches if not batch.is_settled])
        if missing:  # a restart or SCRIPT FLUSH removed the server's scripts
            await self.close()
            if await self._execute(missing):
                raise NoScriptError("the server lost the script again")

    def _with_room(self, batches: Sequence[ShopBatch]) -> list[ShopBatch]:
        """The batches for which the store has room. Settles the others."""
        writable: list[ShopBatch] = []
        for batch in batches:
            if self._monitor is None or self._monitor.take_room(len(batch.events)):
                writable.append(batch)
            else:
                batch.settle(StoreFull("Redis is nearly full"))
        return writable

    async def close(self) -> None:
        """Close the connection. Needed after a failure: a late reply would be read as a reply to the next flush."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.disconnect(nowait=True)

    async def _execute(self, batches: Sequence[ShopBatch]) -> list[ShopBatch]:
        """One round trip. Returns the batches for which the server did not have the script.

        A failed call only fails the batch of its shop.
        """
        if not batches:
            return []
        connection = await self._connected()
        missing: list[ShopBatch] = []
        commands = [hiredis.pack_command(self._command(batch)) for batch in batches]
        await connection.send_packed_command(commands, check_health=False)
        for batch in batches:
            try:
                reply = await connection.read_response(disable_decoding=True)
            except NoScriptError:
                missing.append(batch)
            except (ReadOnlyError, MasterDownError):
                raise  # the server became a replica; connect to the new primary
            except ResponseError as exc:
                batch.settle(StoreUnavailable(f"Redis refused the write: {type(exc).__name__}"))
            else:
                if reply[0] == b"over_quota":
                    batch.settle(OverQuota(reply[1].decode()))
                else:
                    self._settle(batch, reply)
        return missing

    def _command(self, batch: ShopBatch) -> tuple[Any, ...]:
        # The deliveries of unknown shops have no customers, and are trimmed to a number of their own.
        quota = NO_QUOTA if batch.org == UNKNOWN_SHOP else self._quota
        arg = encode_events(batch.events, lane="live", retention_s=self._retention_s, quota=quota)
        return (b"EVALSHA", self._sha, 2, *keys.of_script(batch.org), *arg)

    def _settle(self, batch: ShopBatch, reply: list[Any]) -> None:
        wake, number, _, _, outcomes, duplicates = reply
        batch.outcomes = outcomes.decode().split(",")
        batch.duplicates = duplicates.count(b"1")
        if wake:
            self._wake(batch.org, number)
        batch.settle(None)

    async def _connected(self) -> Any:
        """The connection. It is not part of the pool, because only one flush may use it."""
        if self._connection is None:
            pool = self._redis.connection_pool
            # No timeout for single replies: it would cost as much as reading the reply, and the flush has a deadline.
            connection: Any = pool.connection_class(**{**pool.connection_kwargs, "socket_timeout": None})
            self._connection = connection  # before connecting, so that `close` finds it after an error
            await connection.connect()
            if self._monitor is not None:
                await self._require_fit(connection, self._monitor)
            await connection.send_command(
                "SCRIPT LOAD", script_text("queue", "mark_dirty"), check_health=False
            )
            self._sha = await connection.read_response(disable_decoding=True)
        return self._connection

    async def _require_fit(self, connection: Any, monitor: StoreMonitor) -> None:
        """Raises StoreUnavailable unless the server at the other end was checked. It cannot change: a connection is one server."""
        await connection.send_command("INFO", "server", check_health=False)
        info: bytes = await connection.read_response(disable_decoding=True)
        match = RUN_ID.search(info)
        self._run_id = match[1].decode() if match else ""
        if not await monitor.admits(self._run_id):
            raise StoreUnavailable("the Redis server is not fit to acknowledge webhooks")
