"""`python -m deploy.sandbox`, which is also `tagger sandbox`: a Haravan shop on this machine."""

from __future__ import annotations

import asyncio
import errno
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from deploy.sandbox.handle import ShopHandle
from deploy.sandbox.server import (
    FREE_PORT,
    NO_STATE,
    NOT_USABLE,
    OTHER_HOST,
    PORT_TAKEN,
    SETTINGS,
    STARTED,
    Words,
    run,
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    ctx: typer.Context,
    *,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on; 0 selects a free one.")] = 8800,
    customers: Annotated[int, typer.Option(min=0, max=200_000, help="How many customers to make up.")] = 500,
    seed: Annotated[int, typer.Option(help="Another number makes up other customers.")] = 1,
    org: Annotated[str, typer.Option(help="The shop's org id.")] = "1000000001",
    token: Annotated[str, typer.Option(help="The shop's access token.")] = "token-1",  # noqa: S107 - made up
    secret: Annotated[str, typer.Option(help="The secret that signs webhooks.")] = "secret-1",  # noqa: S107
    webhook_url: Annotated[
        str | None, typer.Option(help="Subscribe this address, with the handshake, as soon as it answers.")
    ] = None,
    verify_token: Annotated[str, typer.Option(help="The token of the handshake.")] = "verify-1",  # noqa: S107
    state: Annotated[
        Path | None,
        typer.Option(help="Keep the shop in this file between runs. Its token and secret come first."),
    ] = None,
    bucket_size: Annotated[int, typer.Option(min=1, help="How many API calls the bucket holds.")] = 80,
    leak_per_s: Annotated[float, typer.Option(help="How many calls leak from it each second.")] = 4.0,
) -> None:
    """Run a simulated Haravan shop: both customer APIs, webhooks, call limit and faults on request.

    The control API has no password: do not make it reachable for others. GET /_sandbox/ lists its commands.
    """
    words: Words = ctx.obj or str  # of the program that runs this one
    serving = run(
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
        on_start=partial(_print_start, words),
        report=_print,
        words=words,
    )
    try:
        asyncio.run(_run_until_stopped(serving))
    except OSError as exc:
        raise _usage_error(exc, host, port, words) from exc
    except msgspec.MsgspecError as exc:
        raise typer.BadParameter(words(NO_STATE).format(file=state)) from exc


def _usage_error(exc: OSError, host: str, port: int, words: Words) -> typer.BadParameter:
    """What to do about an address that cannot be used, or a state file that cannot be read or written."""
    if exc.filename is not None:
        return typer.BadParameter(f"{exc.filename}: {exc.strerror}")
    free = words(FREE_PORT).format(port=port + 1) if port else words(OTHER_HOST)
    template = PORT_TAKEN if exc.errno == errno.EADDRINUSE else NOT_USABLE
    problem = exc.strerror or str(exc)
    return typer.BadParameter(words(template).format(problem=problem, port=port, free=free, host=host))


async def _run_until_stopped(serving: Coroutine[Any, Any, None]) -> None:
    """Run until Ctrl-C, SIGTERM or the end of the terminal session. The state file is saved before the end."""
    task = asyncio.create_task(serving)
    loop = asyncio.get_running_loop()
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(ending, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


def _print_start(words: Words, url: str, handle: ShopHandle) -> None:
    """The addresses, and settings with which `tagger up` works on this shop."""
    lines = (
        f"# {words(STARTED).format(org=handle.org)}",
        f"#   Omni API     {url}/com",
        f"#   Admin API    {url}/admin",
        f"#   Webhooks     {url}/api/subscribe",
        f"#   Control API  {url}/_sandbox/",
        f"# {words(SETTINGS)}",
        *settings_of(url, handle),
    )
    _print("\n".join(lines))


def settings_of(url: str, handle: ShopHandle) -> list[str]:
    """The lines of an .env file with which the service works on this shop."""
    return [
        f"HARAVAN_API_URL={url}/com",
        f"HARAVAN_SUBSCRIBE_URL={url}/api/subscribe",
        f"HARAVAN_ORG_ID={handle.org}",
        f"HARAVAN_ACCESS_TOKEN={handle.token}",
        f"HARAVAN_WEBHOOK_SECRETS={handle.secret}",
        f"HARAVAN_VERIFY_TOKEN={handle.verify_token or ''}",
    ]


def _print(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    app()
