"""The fence: the servers of the old store refuse every write, of every client, at once.

`min-replicas-to-write` with a number that no server reaches does that. Reading goes on. A restart of the server takes the
fence away, which is why the marks of the move are written first: processes of ours do not work with data that is marked.
"""

from __future__ import annotations

from typing import Any, Final

from redis.exceptions import ResponseError

from service.errors import Refused
from service.sentence import Sentence
from service.store.client import Store, keys
from service.store.move.marks import load_fence, save_fence
from service.store.servers import NoReplicas

# A lag of 0 would switch `min-replicas-to-write` off.
FENCE: Final = {"min-replicas-to-write": "1000000", "min-replicas-max-lag": "10"}


async def require_config(source: Store) -> None:
    """Raises Refused if a server hides its settings: then nothing can make it refuse writes."""
    for server in await source.servers():
        try:
            current = await _current(server)
            await server.config_set("min-replicas-max-lag", current["min-replicas-max-lag"])
        except (ResponseError, KeyError) as exc:
            raise Refused(
                Sentence(
                    "{server} does not let us change its settings, so it cannot refuse writes while the last changes are "
                    "copied. Move with a backup instead: stop web and workers, tagger backup, tagger restore",
                    server=str(server.endpoint),
                )
            ) from exc


async def raise_fence(source: Store) -> None:
    """Have all servers refuse writes. Raises redis' errors, and Refused if a server still accepts one."""
    servers = await source.servers()
    await save_fence(source, {str(server.endpoint): await _current(server) for server in servers})
    for server in servers:
        await _set(server, FENCE)
    if not await is_fenced(source):
        raise Refused(Sentence("a server of the store still accepts writes"))


async def is_fenced(source: Store) -> bool:
    """Whether every server refuses writes. Raises redis' errors."""
    owned = await source.owned_partitions()
    for server, partitions in owned.values():
        try:
            await server.hdel(keys.of_partition(min(partitions), "store"), "no such field")
        except NoReplicas:
            continue
        return False
    return True


async def lower_fence(source: Store) -> None:
    """Give all servers back the settings that the fence replaced. Raises redis' errors."""
    before = await load_fence(source) or {}
    for server in await source.servers():
        current = await _current(server)
        if current["min-replicas-to-write"] == FENCE["min-replicas-to-write"]:
            await _set(server, before.get(str(server.endpoint), {**FENCE, "min-replicas-to-write": "0"}))


async def _current(server: Any) -> dict[str, str]:
    settings = await server.config_get(*FENCE)
    return {_text(name): _text(value) for name, value in settings.items()}


async def _set(server: Any, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        await server.config_set(name, value)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
