"""The store's clock: noticed when it was set back, and what has to be put right then.

Work waits for moments of that clock. A step forward ends a wait early, which costs a call or two; a step back would
prolong it by as much.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from arq.connections import ArqRedis

from service.domain.customers import OrgId
from service.store import keys
from service.store.script import script
from service.store.stepping import CHUNK

STEP_MS: Final = 2000  # less is no harm
NOTED_EVERY_MS: Final = 5000  # a write for all workers together


async def mend_step_back(
    redis: ArqRedis,
    *,
    now_ms: Callable[[], Awaitable[int]],
    orgs: Callable[[], Awaitable[Iterable[OrgId]]],
) -> int:
    """End all waiting where the clock was set back since it was last noted; by how many ms, 0 = it was not.

    Noted only afterwards: a process that dies on the way leaves it to the next.
    """
    noted = int(await redis.get(keys.CLOCK) or 0)
    now = await now_ms()  # after reading: a process that stood still in between must not take that for a step
    back_ms = noted - now if noted - now > STEP_MS else 0
    if back_ms:
        for org in await orgs():
            while await script(redis, "place", "stepped")(keys=[keys.shop(org)], args=[now, CHUNK]) == CHUNK:
                pass
    if back_ms or now - noted > NOTED_EVERY_MS:
        await redis.set(keys.CLOCK, now)
    return back_ms
