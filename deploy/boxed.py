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
    with asked_to_end() as asked:
        serving = asyncio.create_task(
            sandbox.run(
                host=host,
                port=port,
                state_file=state_file,
                started=lambda url: _greet(url, str(options["org"])),
                **options,
            )
        )
        asking = asyncio.create_task(asked.wait())
        await asyncio.wait((serving, asking), return_when=asyncio.FIRST_COMPLETED)
        asking.cancel()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    if not serving.cancelled() and (problem := serving.exception()):
        raise problem


def _greet(url: str, org: str) -> None:
    lines = (
        f"Shop {org} in a box. Token token-1, webhook secret secret-1. Stop with Ctrl-C.",
        f"  Omni API    {url}/com",
        f"  Admin API   {url}/admin",
        f"  Webhooks    {url}/api/subscribe",
        f"  Control     {url}/_sandbox/",
    )
    print("\n".join(lines), file=sys.stderr, flush=True)
