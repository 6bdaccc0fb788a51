"""The demo from its first line to its last: set the stage, let things happen, sum up, leave nothing behind."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from deploy.cli.output import console
from deploy.demonstration.options import Options
from deploy.demonstration.play import play_for_ever, play_once
from deploy.demonstration.screen import Screen
from deploy.demonstration.stage import ORG, stage
from deploy.processes import Ended, Processes, asked_to_end, processes

LAST_LINES: Final = 6
INTERRUPTED: Final = 130


async def demonstrate(options: Options) -> int:
    """Run the demo; 0 when it ended as it should, 1 when something was wrong. Raises TaggerError, OSError."""
    screen = Screen(console())
    screen.heading()
    async with processes() as running:
        with asked_to_end() as asked:
            show = asyncio.create_task(_show(options, running, screen))
            stop = asyncio.create_task(asked.wait())
            broke = asyncio.create_task(running.ended())
            await asyncio.wait((show, stop, broke), return_when=asyncio.FIRST_COMPLETED)
            stop.cancel()
            if show.done():
                broke.cancel()
                return show.result()
            show.cancel()
            await asyncio.gather(show, return_exceptions=True)
            if broke.done():
                return _told(screen, broke.result())
            broke.cancel()
            return INTERRUPTED if options.once else 0


async def _show(options: Options, running: Processes, screen: Screen) -> int:
    async with stage(options, running, screen.ready) as ready:
        screen.blank()
        screen.plain("A closer look, in another terminal:")
        screen.command(f"./deploy/tagger --env-file {ready.settings_file} deliveries {ORG}")
        screen.blank()
        play = play_once if options.once else play_for_ever
        return await play(ready, screen, options)


def _told(screen: Screen, ended: Ended) -> int:
    screen.verdict(f"The {ended.part.name} process ended by itself (exit code {ended.code}).", good=False)
    if ended.part.log is not None:
        for line in _tail(ended.part.log):
            screen.plain(f"  {line}")
        screen.plain(f"All that it said: {ended.part.log}")
    return 1


def _tail(log: Path) -> list[str]:
    return (
        log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:] if log.is_file() else []
    )
