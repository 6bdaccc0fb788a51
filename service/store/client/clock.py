"""The server's clock: what happens when it is set back.

Work waits for moments of that clock. A step forward ends a wait early, which costs a few calls. A step back would
prolong every wait by as much.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from redis.exceptions import RedisError

from service.domain.customers import OrgId
from service.store.client import keys
from service.store.client.connection import RedisClient
from service.store.client.scan import BATCH_SIZE, SKIP_S, load_partitions
from service.store.client.scripts import load_script
from service.store.servers import is_temporary

MIN_STEP_MS: Final = 2000  # a smaller step does no harm
SAVE_INTERVAL_MS: Final = 5000  # of the time that all workers share


async def server_time_ms(redis: RedisClient, org: OrgId | None = None) -> int:
    """The time of the server that has this shop; without a shop, of the first server that answers. Raises redis' errors."""
    if org is not None:
        return _to_ms(await redis.execute_command("TIME", near=keys.shop(org)))
    servers = await redis.servers()
    for server in servers if len(servers) > 1 else ():
        try:
            async with asyncio.timeout(SKIP_S):
                return _to_ms(await server.execute_command("TIME"))
        except TimeoutError:
            continue
        except RedisError as exc:
            if not is_temporary(exc):
                raise
    return _to_ms(await redis.execute_command("TIME"))


def _to_ms(time: tuple[Any, Any]) -> int:
    seconds, micros = time
    return int(seconds) * 1000 + int(micros) // 1000


async def handle_clock_step_back(
    redis: RedisClient,
    *,
    now_ms: Callable[[], Awaitable[int]],
    orgs: Callable[[], Awaitable[Iterable[OrgId]]],
) -> int:
    """End all waits if the clock was set back since it was last saved. Returns the step in ms, 0 if there was none.

    Each partition has a saved time of its own, because each may be on a server of its own. The new time is saved last:
    if this process dies on the way, the next one does the rest.
    """
    loaded = await load_partitions(
        redis, lambda pipe, number: pipe.get(keys.of_partition(number, "last_server_time"))
    )
    saved = {number: int(value or 0) for number, value in loaded.items()}
    # After reading: if this process was suspended in between, the saved times must not look like the future.
    now = await now_ms()
    stepped = {number for number, saved_ms in saved.items() if saved_ms - now > MIN_STEP_MS}
    if stepped:
        for org in await orgs():
            if keys.partition_of(org) in stepped:
                while await load_script("queue", "reset_waits")(redis, org, now, BATCH_SIZE) == BATCH_SIZE:
                    pass
    outdated = {number for number, saved_ms in saved.items() if now - saved_ms > SAVE_INTERVAL_MS} | stepped
    if outdated:
        await load_partitions(
            redis,
            lambda pipe, number: pipe.set(keys.of_partition(number, "last_server_time"), now),
            numbers=outdated,
        )
    return max(saved.values()) - now if stepped else 0
