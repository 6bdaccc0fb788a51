"""What erases data notes when: the append-only files keep deleted values until they are rewritten (`service.store.topology`)."""

from __future__ import annotations

from typing import Any, Final

from service.domain.customers import OrgId
from service.store.client import keys
from service.store.client.connection import RedisClient
from service.store.client.scan import load_partitions

ERASED: Final = "erased_ms"


def queue_erased(pipe: Any, org: OrgId, now_ms: int) -> None:
    """Add the command to a transaction that asks for a rewrite of the append-only files."""
    pipe.set(keys.partition_key(org, ERASED), now_ms)


async def load_erased_ms(redis: RedisClient) -> int:
    """When data was last erased, 0 if never; without servers that are away. Raises redis' errors if none answers."""
    loaded = await load_partitions(redis, lambda pipe, number: pipe.get(keys.of_partition(number, ERASED)))
    return max(int(value or 0) for value in loaded.values())
