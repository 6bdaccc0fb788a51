"""Lua scripts: read from the files beside this module, run by digest, loaded again when the server forgot them."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from redis.asyncio import Redis
from redis.commands.core import AsyncScript


@cache
def source(*names: str) -> str:
    """The text of one script, put together from its parts (a shared part first)."""
    folder = resources.files("service.store") / "scripts"
    return "\n".join((folder / f"{name}.lua").read_text(encoding="utf-8") for name in names)


def script(redis: Redis, *names: str) -> AsyncScript:
    """The script made of these parts; calling it runs it, and loads it where the server does not have it."""
    made: Any = redis.register_script(source(*names))
    assert isinstance(made, AsyncScript)  # noqa: S101  # an asyncio client makes nothing else
    return made
