"""`tagger up`: web, worker and, where no REDIS_URL is given, a store of their own, as one command."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from deploy import store
from deploy.folders import claimed, data_folder
from deploy.processes import Ended, Part, Processes, asked_to_end, processes


def service_parts(environ: Mapping[str, str], *, logs: Path | None = None) -> list[Part]:
    """The two processes of the service."""
    return [
        Part(name, [sys.executable, "-P", "-m", module], environ, logs / f"{name}.log" if logs else None)
        for name, module in (("web", "service"), ("worker", "workers"))
    ]


async def run_everything(environ: dict[str, str]) -> int:
    """Run until Ctrl-C or until a part ends by itself, which ends the others; the exit code says which.

    Raises BadSettings before anything is started, StoreAway when there is no store to start.
    """
    from service.settings import read_settings

    folder = data_folder()
    if not environ.get("SECRET_KEY"):
        environ["SECRET_KEY"] = own_key(folder)
    settings = read_settings(environ)
    with asked_to_end() as asked:
        async with processes() as running, _store(running, environ, folder) as url:
            environ["REDIS_URL"] = url
            for part in service_parts(environ):
                await running.start(part)
            _say(f"Web on http://127.0.0.1:{settings.port}, one worker. Stop with Ctrl-C.")
            ended = await _until(running, asked)
    return 0 if ended is None else _say_ended(ended)


def own_key(folder: Path) -> str:
    """The key that seals tokens where SECRET_KEY is not given: made once, readable by this user only."""
    kept = folder / "secret_key"
    if not kept.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        kept.touch(mode=0o600)
        kept.write_text(secrets.token_hex(32) + "\n", encoding="ascii")
    return kept.read_text(encoding="ascii").strip()


async def _until(running: Processes, asked: asyncio.Event) -> Ended | None:
    """Wait until somebody asks for the end (None) or a part ends by itself."""
    by_itself = asyncio.create_task(running.ended())
    by_request = asyncio.create_task(asked.wait())
    done, rest = await asyncio.wait((by_itself, by_request), return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    return None if by_request in done else by_itself.result()


@asynccontextmanager
async def _store(running: Processes, environ: Mapping[str, str], folder: Path) -> AsyncIterator[str]:
    if environ.get("REDIS_URL"):
        yield environ["REDIS_URL"]
        return
    async with AsyncExitStack() as stack:
        stack.enter_context(claimed(folder / "store"))
        own = await stack.enter_async_context(store.started(running, folder / "store"))
        _say(f"{own.version} keeps its data in {folder / 'store'}")
        address = folder / "store.url"  # so that the other commands find it
        address.write_text(own.url, encoding="utf-8")
        try:
            yield own.url
        finally:
            address.unlink(missing_ok=True)


def _say_ended(ended: Ended) -> int:
    _say(
        f"The {ended.part.name} process ended by itself (exit code {ended.code}); its last lines above say why."
    )
    return ended.code if 0 < ended.code < 128 else 1


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
