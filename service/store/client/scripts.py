"""Lua scripts: read from the `lua` folders of the store's rooms and run by digest.

A script names the parts that it needs in a comment, `-- Parts: _time, _queue.`; `script_text` puts them before it.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib import resources
from typing import Any, Final

from service.domain.customers import OrgId
from service.store.client import keys
from service.store.client.connection import RedisClient

_PARTS: Final = re.compile(r"^-- Parts: (.+)\.$", re.MULTILINE)
_PARTS_ROOM: Final = "queue"


class Script:
    """A script that works on the keys of one shop."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, redis: RedisClient, org: OrgId, *args: Any) -> Any:
        """Run the script for this shop, or add it to a pipeline. A server that lacks it gets it. Raises redis' errors."""
        return redis.execute_command("EVALSHA", self.sha, 2, *keys.of_script(org), *args, script=self.text)


@cache
def load_script(room: str, name: str) -> Script:
    """The script `name` of a room of the store: `queue`, `customers`, `history`, `shops` or `backup`."""
    return Script(script_text(room, name))


def script_text(room: str, name: str) -> str:
    """The text of a script, with the parts that it needs before it."""
    text = _read(room, name)
    match = _PARTS.search(text)
    parts = match[1].split(", ") if match else []
    return "\n".join([*(_read(_PARTS_ROOM, part) for part in parts), text])


def _read(room: str, name: str) -> str:
    file = resources.files("service.store") / room / "lua" / f"{name}.lua"
    return file.read_text(encoding="utf-8")
