"""`tagger sandbox`: the shop in a box as a command, until Ctrl-C."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from deploy import sandbox
from deploy.processes import asked_to_end


async def run_sandbox(*, host: str, port: int, state_file: Path | None, **options: Any) -> None:
    """Serve the shop, say where it is and end when asked to. Raises OSError when the port is taken."""
    up = asyncio.Event()
    with asked_to_end() as asked:
        serving = asyncio.create_task(
            sandbox.run(host=host, port=port, state_file=state_file, started=up, **options)
        )
        await _first(serving, up.wait())
        if not serving.done():
            _greet(f"http://{host}:{port}", str(options["org"]))
            await _first(serving, asked.wait())
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    if not serving.cancelled() and (problem := serving.exception()):
        raise problem


async def _first(serving: asyncio.Task[None], other: Any) -> None:
    waiting = asyncio.ensure_future(other)
    await asyncio.wait((serving, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


def _greet(url: str, org: str) -> None:
    lines = (
        f"Shop {org} in a box. Token token-1, webhook secret secret-1. Stop with Ctrl-C.",
        f"  Omni API    {url}/com",
        f"  Admin API   {url}/admin",
        f"  Webhooks    {url}/api/subscribe",
        f"  Control     {url}/_sandbox/",
    )
    print("\n".join(lines), file=sys.stderr, flush=True)
