"""`tagger up`: web, worker and, if REDIS_URL is not set, a Redis server, as one command."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from deploy.local import valkey
from deploy.local.paths import data_folder, lock_folder
from deploy.local.supervisor import ProcessExit, ProcessSpec, Supervisor, stop_signals, supervise
from service.sentence import Sentence

READY_INTERVAL_S: Final = 0.1
Say = Callable[[Sentence], None]


def service_processes(environ: Mapping[str, str], *, logs: Path | None = None) -> list[ProcessSpec]:
    """The two processes of the service. `logs` is a folder for their output, by default this terminal."""
    return [
        ProcessSpec(
            name, [sys.executable, "-P", "-m", module], environ, logs / f"{name}.log" if logs else None
        )
        for name, module in (("web", "service"), ("worker", "workers"))
    ]


async def run_all(environ: Mapping[str, str], *, port: int, start_redis: bool, say: Say) -> int:
    """Run until Ctrl-C, or until a process exits by itself, which stops the others. Returns an exit code.

    `port` is the port of the web process in `environ`, which names a Redis server unless `start_redis`. `say` prints what a person should know. Raises StoreUnavailable if there is no Redis server to start.
    """
    with stop_signals() as stop:
        async with supervise() as supervisor, _redis(supervisor, say, start=start_redis) as added:
            for spec in service_processes({**environ, **added}):
                await supervisor.start(spec)
            told = asyncio.create_task(_say_when_ready(port, say))
            exited = await _first_exit(supervisor, stop)
            told.cancel()
    return 0 if exited is None else _report_exit(exited, say)


async def _say_when_ready(port: int, say: Say) -> None:
    """Say where the pages are, once the web process listens: it has stored the shop of the environment by then."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(READY_INTERVAL_S)
            continue
        writer.close()
        say(Sentence("Web on http://127.0.0.1:{port}, one worker. Stop with Ctrl-C.", port=port))
        return


async def _first_exit(supervisor: Supervisor, stop: asyncio.Event) -> ProcessExit | None:
    """Wait for a stop signal (None) or for a process that exits by itself."""
    exits = asyncio.create_task(supervisor.wait_for_exit())
    stops = asyncio.create_task(stop.wait())
    done, pending = await asyncio.wait((exits, stops), return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    return None if stops in done else exits.result()


@asynccontextmanager
async def _redis(supervisor: Supervisor, say: Say, *, start: bool) -> AsyncIterator[Mapping[str, str]]:
    """The variables that name the Redis server which was started, if one was."""
    if not start:
        yield {}
        return
    folder = data_folder()
    async with AsyncExitStack() as stack:
        stack.enter_context(lock_folder(folder / "store"))
        server = await stack.enter_async_context(valkey.start_server(supervisor, folder / "store"))
        say(
            Sentence(
                "{server} stores its data in {folder}", server=server.version, folder=str(folder / "store")
            )
        )
        address = folder / "store.url"  # so that other commands find it
        address.write_text(server.url, encoding="utf-8")
        try:
            yield {"REDIS_URL": server.url}
        finally:
            address.unlink(missing_ok=True)


def _report_exit(exited: ProcessExit, say: Say) -> int:
    say(
        Sentence(
            "The {name} process exited (exit code {code}). Its last lines above have the reason.",
            name=exited.spec.name,
            code=exited.code,
        )
    )
    return exited.code if 0 < exited.code < 128 else 1
