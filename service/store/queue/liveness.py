"""Whether a worker process lives, so that nobody waits for the lease of one that was killed.

The process subscribes to a channel of its own, at each server. The server ends the subscription with the connection, also
after kill -9, and the scripts of the lease ask their server whether anybody is subscribed.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

from redis.exceptions import NoPermissionError

from service.runtime import cancel_and_wait
from service.store.client import Store
from service.store.servers import Endpoint, Server, pack_command

CHECK_INTERVAL_S: Final = 2.0  # of a silent connection
SERVERS_INTERVAL_S: Final = 1.0  # until a server of a cluster that is new, or was away, gets its subscription


class Liveness:
    """The subscriptions of one process. `channel` names the process in its leases."""

    def __init__(self, redis: Store) -> None:
        self._redis = redis
        self._announced = asyncio.Event()
        self.channel = f"tagger:process:{secrets.token_hex(8)}"

    async def announce(self) -> None:
        """Stay subscribed until all subscriptions are lost or the task is cancelled. Raises redis' errors.

        A lost one does not end the others: to their servers the process would look dead. Returns at once if the user may
        not subscribe: then the leases of this process end with their time alone.
        """
        subscriptions: dict[Endpoint, asyncio.Task[None]] = {}
        try:
            while True:
                servers = {client.endpoint: client.server for client in await self._redis.servers()}
                for endpoint in [endpoint for endpoint in subscriptions if endpoint not in servers]:
                    await cancel_and_wait(subscriptions.pop(endpoint))
                for endpoint, server in servers.items():
                    lost = subscriptions.get(endpoint)
                    if lost is None or lost.done():
                        subscriptions[endpoint] = asyncio.create_task(self._stay_subscribed(server))
                        if lost is not None:
                            lost.exception()  # marks it as retrieved: the others stay subscribed
                # not until the first is lost: a server that refuses connections would be asked without a pause
                await asyncio.wait(subscriptions.values(), timeout=SERVERS_INTERVAL_S)
                if all(subscriptions[endpoint].done() for endpoint in servers):
                    await asyncio.gather(*(subscriptions[endpoint] for endpoint in servers))
        except NoPermissionError:
            self._announced.set()
        finally:
            await cancel_and_wait(*subscriptions.values())

    async def _stay_subscribed(self, server: Server) -> None:
        """Raises redis' errors when the connection is lost."""
        connection = await server.open_another()
        try:
            await connection.send(pack_command("SUBSCRIBE", self.channel))
            self._announced.set()
            while True:  # nobody publishes, so the only replies are those to the checks
                await connection.wait_closed(timeout_s=CHECK_INTERVAL_S)
                await connection.send(pack_command("PING"))
        finally:
            connection.close()

    async def wait_until_announced(self) -> None:
        """Wait until the first subscription is confirmed: earlier leases would end with their time alone."""
        await self._announced.wait()
