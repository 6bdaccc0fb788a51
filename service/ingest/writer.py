"""Writes batches to Redis: one script call for each shop, all calls of a flush in one round trip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import hiredis
from arq.connections import ArqRedis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ReadOnlyError, ResponseError

from service.domain.customers import OrgId
from service.errors import StoreUnavailable
from service.ingest.batch import ShopBatch
from service.store.client import keys, script_text
from service.store.queue import encode_events


class BatchWriter:
    """Writes batches over a connection of its own. `wake(org, number)` is called for a shop that needs a drain."""

    def __init__(self, redis: ArqRedis, *, retention_s: int, wake: Callable[[OrgId, int], None]) -> None:
        self._redis = redis
        self._retention_s = retention_s
        self._wake = wake
        self._connection: Any = None  # redis-py's connection, which is not typed
        self._sha = b""

    async def write(self, batches: Sequence[ShopBatch]) -> None:
        """Settle every batch that was written or refused by the server.

        Raises redis' errors and OSError if the other batches may not have been written.
        """
        try:
            missing = await self._execute(batches)
        except (RedisConnectionError, OSError):  # an idle connection was closed: retry once on a new one
            await self.close()
            missing = await self._execute([batch for batch in batches if not batch.is_settled])
        if missing:  # the server lost its scripts by a restart or SCRIPT FLUSH
            await self.close()
            if await self._execute(missing):
                raise NoScriptError("the server lost the script again")

    async def close(self) -> None:
        """Close the connection. After a failure a late reply would be taken for a reply to the next flush."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.disconnect(nowait=True)

    async def _execute(self, batches: Sequence[ShopBatch]) -> list[ShopBatch]:
        """One round trip; returns the batches for which the server did not have the script.

        A shop whose call failed gets its own error; the other batches are written.
        """
        connection = await self._connected()
        missing: list[ShopBatch] = []
        commands = [hiredis.pack_command(self._command(batch)) for batch in batches]
        await connection.send_packed_command(commands, check_health=False)
        for batch in batches:
            try:
                reply = await connection.read_response(disable_decoding=True)
            except NoScriptError:
                missing.append(batch)
            except ReadOnlyError:
                raise  # the server became a replica: this connection is useless
            except ResponseError as exc:
                batch.settle(StoreUnavailable(f"Redis refused the write: {type(exc).__name__}"))
            else:
                self._settle(batch, reply)
        return missing

    def _command(self, batch: ShopBatch) -> tuple[Any, ...]:
        arg = encode_events(batch.events, lane="live", retention_s=self._retention_s)
        return (b"EVALSHA", self._sha, 2, *keys.of_script(batch.org), *arg)

    def _settle(self, batch: ShopBatch, reply: list[Any]) -> None:
        wake, number, _, _, outcomes, duplicates = reply
        batch.outcomes = outcomes.decode().split(",")
        batch.duplicates = duplicates.count(b"1")
        if wake:
            self._wake(batch.org, number)
        batch.settle(None)

    async def _connected(self) -> Any:
        """A connection outside of the pool, which would lend it to others between two flushes."""
        if self._connection is None:
            pool = self._redis.connection_pool
            # No timeout for each reply, which costs as much as reading the reply: the flush has a deadline.
            connection: Any = pool.connection_class(**{**pool.connection_kwargs, "socket_timeout": None})
            self._connection = connection  # whatever fails from here on, `close` finds it
            await connection.connect()
            await connection.send_command(
                "SCRIPT LOAD", script_text("queue", "mark_dirty"), check_health=False
            )
            self._sha = await connection.read_response(disable_decoding=True)
        return self._connection
