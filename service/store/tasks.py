"""Tasks: work for one page that may outlive its request, such as a review of 100,000 customers.

A task runs in the CPU pool of the web process that was asked. If that process dies, its state expires, and the page
starts it again. What must not be lost is a pending job instead.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from service.domain.customers import OrgId
from service.store.client import RedisClient, keys

RUNNING_TTL_S: Final = 60  # without a report of progress the process has died
ENDED_TTL_S: Final = 3_600


class PageTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task and its progress. `result` is JSON; `error` is the name of an exception, with its message."""

    status: Literal["running", "done", "failed"] = "running"
    started_ms: int
    ended_ms: int = 0
    total: int = 0  # customers
    done: int = 0  # of them
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""
    text: str = ""
    template: str = ""  # of a `Sentence`, instead of the text
    params: dict[str, str] = {}  # msgspec copies an empty default


async def load(redis: RedisClient, org: OrgId, name: str) -> PageTask | None:
    """The task of this name, None if there is none, or if its process died."""
    stored = await redis.get(_key(org, name))
    return None if stored is None else _DECODER.decode(stored)


async def start(redis: RedisClient, org: OrgId, name: str, task: PageTask) -> bool:
    """Store a new task. False if there is one of this name."""
    return bool(await redis.set(_key(org, name), _ENCODER.encode(task), nx=True, ex=RUNNING_TTL_S))


async def save(redis: RedisClient, org: OrgId, name: str, task: PageTask) -> None:
    """Store the progress or the end of a task."""
    ttl_s = RUNNING_TTL_S if task.status == "running" else ENDED_TTL_S
    await redis.set(_key(org, name), _ENCODER.encode(task), ex=ttl_s)


async def delete(redis: RedisClient, org: OrgId, name: str) -> None:
    """Forget a task."""
    await redis.delete(_key(org, name))


def _key(org: OrgId, name: str) -> str:
    return keys.shop(org, f"task:{name}")


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(PageTask)
