"""`python -m deploy.sandbox`: a shop of one's own on this machine, until Ctrl+C."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Annotated, Any

import typer

from .server import run


def main(
    *,
    host: str = "127.0.0.1",
    port: int = 8800,
    customers: Annotated[int, typer.Option(help="How many to make up")] = 500,
    seed: int = 1,
    org: str = "1000000001",
    token: str = "token-1",  # noqa: S107 - a made-up shop's token
    secret: str = "secret-1",  # noqa: S107
    webhook_url: Annotated[str | None, typer.Option(help="Where webhooks go")] = None,
    verify_token: str | None = None,
    state: Annotated[Path | None, typer.Option(help="Keep the shop in this file")] = None,
    bucket_size: int = 80,
    leak_per_s: float = 4.0,
) -> None:
    """Run a made-up Haravan shop: /com, /admin, /api/subscribe, webhooks, and its controls at /_sandbox/."""
    try:
        asyncio.run(
            _until_stopped(
                host=host,
                port=port,
                customers=customers,
                seed=seed,
                org=org,
                token=token,
                secret=secret,
                webhook_url=webhook_url,
                verify_token=verify_token,
                state_file=state,
                bucket_size=bucket_size,
                leak_per_s=leak_per_s,
                started=lambda url: typer.echo(
                    f"Sandbox: {url}/com  controls: {url}/_sandbox/  org {org}  Bearer {token}"
                ),
            )
        )
    except (KeyboardInterrupt, asyncio.CancelledError):
        typer.echo("Closed.")


async def _until_stopped(**options: Any) -> None:
    """Run until Ctrl+C or SIGTERM; either way a state file is written before the end."""
    program = asyncio.current_task()
    if program is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, program.cancel)
    await run(**options)


if __name__ == "__main__":
    typer.run(main)
