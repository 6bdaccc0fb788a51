"""`python -m tests.chaos.mover URL STAGE`: a move that kills itself (kill -9) when it reaches a stage."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Literal

from service.domain.access import Actor, Role
from service.settings import read_settings
from service.store.client.connection import connect
from service.store.encryption import KeyRing
from service.store.move.move import Stage, move

Stop = Literal["copying", "catching_up", "fenced"]
BY = Actor("chaos", Role.OPS, "shell")


async def main(url: str, stop: str) -> None:
    """Move until the stage. Raises what `move` raises."""
    settings = read_settings()

    def kill_at(stage: Stage, *_: int) -> None:
        if stage == stop:
            os.kill(os.getpid(), signal.SIGKILL)

    async with connect(settings.redis_url) as source:
        await move(source, url, keyring=KeyRing(settings.secret_keys), by=BY, on_progress=kill_at)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
