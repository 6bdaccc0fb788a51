"""The demo: start the environment, play events, print a summary, stop everything."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from deploy.demonstration.environment import ORG, Options, start
from deploy.demonstration.scenario import play_for_ever, play_once
from deploy.demonstration.view import Screen
from deploy.local import ProcessExit, Supervisor, console, stop_signals, supervise
from service.locales import translator_for
from service.runtime import cancel_and_wait
from service.sentence import Sentence

MAX_LOG_LINES: Final = 6
INTERRUPTED: Final = 130
CANCEL_INTERVAL_S: Final = 8.0  # longer than it takes to stop everything: redis-py may lose a cancellation


async def run_demo(options: Options) -> int:
    """Run the demo. Returns 0 on success, 1 if something was wrong, 130 if `once` was interrupted.

    Raises TaggerError, OSError.
    """
    screen = Screen(console(), translator_for(options.language))
    screen.heading()
    async with supervise() as supervisor:
        with stop_signals() as stop:
            demo = asyncio.create_task(_play(options, supervisor, screen))
            stopped = asyncio.create_task(stop.wait())
            exited = asyncio.create_task(supervisor.wait_for_exit())
            await asyncio.wait((demo, stopped, exited), return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            if demo.done():
                exited.cancel()
                return demo.result()
            await cancel_and_wait(demo, interval_s=CANCEL_INTERVAL_S)
            if exited.done():
                return _report_exit(screen, exited.result())
            exited.cancel()
            return INTERRUPTED if options.once else 0


async def _play(options: Options, supervisor: Supervisor, screen: Screen) -> int:
    async with start(options, supervisor, screen.ready) as environment:
        screen.blank()
        screen.plain(Sentence("For details, type in another terminal:"))
        screen.command(f"./deploy/tagger --env-file {environment.settings_file} deliveries {ORG}")
        screen.blank()
        play = play_once if options.once else play_for_ever
        return await play(environment, screen, options)


def _report_exit(screen: Screen, exited: ProcessExit) -> int:
    screen.verdict(
        Sentence("The {name} process exited (exit code {code}).", name=exited.spec.name, code=exited.code),
        good=False,
    )
    if exited.spec.log is not None:
        for line in _tail(exited.spec.log):
            screen.raw(f"  {line}")
        screen.plain(Sentence("The complete log: {file}", file=str(exited.spec.log)))
    return 1


def _tail(log: Path) -> list[str]:
    if not log.is_file():
        return []
    return log.read_text(encoding="utf-8", errors="replace").splitlines()[-MAX_LOG_LINES:]
