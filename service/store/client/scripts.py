"""Lua scripts: read from the `lua` folders of the store's rooms, run by digest, loaded where the server lacks them.

A script names the parts that it needs in a comment, `-- Parts: _time, _queue.`; they are put in front of it.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib import resources
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from service.domain.customers import OrgId
from service.store.client import keys

_PARTS: Final = re.compile(r"^-- Parts: (.+)\.$", re.MULTILINE)
_PARTS_ROOM: Final = "queue"


class Script:
    """One script of a shop."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, redis: Redis, org: OrgId, *args: Any) -> Any:
        """Run it for this shop. Raises redis' errors."""
        client: Any = redis
        shop = keys.of_script(org)
        try:
            return await client.evalsha(self.sha, len(shop), *shop, *args)
        except NoScriptError:
            await client.script_load(self.text)
            return await client.evalsha(self.sha, len(shop), *shop, *args)


@cache
def load_script(room: str, name: str) -> Script:
    """The script `name` of a room of the store: `queue`, `customers`, `history` or `shops`."""
    return Script(script_text(room, name))


def script_text(room: str, name: str) -> str:
    """The text of a script, behind the parts that it needs."""
    text = _read(room, name)
    found = _PARTS.search(text)
    parts = found[1].split(", ") if found else []
    return "\n".join([*(_read(_PARTS_ROOM, part) for part in parts), text])


def _read(room: str, name: str) -> str:
    file = resources.files("service.store") / room / "lua" / f"{name}.lua"
    return file.read_text(encoding="utf-8")
