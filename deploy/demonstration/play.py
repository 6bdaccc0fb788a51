"""The play itself: a first look at everybody, and what happens in the shop meanwhile and afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from random import Random
from typing import Final

from deploy.demonstration.follow import Tally, left_to_do, outcome, settled
from deploy.demonstration.happenings import Day, Happening
from deploy.demonstration.judge import Judge
from deploy.demonstration.options import Options
from deploy.demonstration.screen import Screen
from deploy.demonstration.stage import ORG, Stage
from deploy.demonstration.summary import Times, footer, summary, verdict
from deploy.demonstration.words import Reasons
from service.domain.customers import CustomerId
from service.store import replays
from service.store.replays import Selection

TICK_S: Final = 0.25
REPEATED: Final = 0.2  # of the fixed day's webhooks are sent twice, as Haravan does at times


class Play:
    """One run of the demo: its day, its screen, its counts."""

    def __init__(self, stage: Stage, screen: Screen, options: Options) -> None:
        self.stage = stage
        self.screen = screen
        self.options = options
        self.rng = Random(options.seed)  # noqa: S311  # a made-up day needs no cryptographic dice
        self.judge = Judge(stage.rule_set)
        self.reasons = Reasons(stage.rule_set)
        self.day = Day(stage.haravan, self.judge, self.rng)
        self.tally = Tally()
        self.times = Times()
        self.busy = True  # until everybody was looked at

    async def first_look(self) -> None:
        """Mark everybody, behind whatever happens live."""
        everybody = tuple(CustomerId(each) for each in self.stage.haravan.ids())
        self.screen.plain(
            f"First every one of the {len(everybody)} customers is looked at: read 50 at a time, tags written at the "
            "4 calls a second that Haravan allows. What happens in the shop meanwhile goes first."
        )
        self.screen.blank()
        await replays.start(
            self.stage.redis,
            ORG,
            Selection(everybody, "everybody"),
            by="demo",
            reason="the first look",
            now_ms=int(time.time() * 1000),
        )

    async def happen(self, happening: Happening, *, at_once: bool) -> None:
        """Let it happen, wait for what comes of it and tell both; `at_once` tells the first half before the wait."""
        began = self.stage.haravan.shop.clock()
        customer = happening.act()
        if at_once:
            self.screen.happened(began, happening.who, happening.what)
        came = await outcome(self.stage, customer, began=began)
        if not at_once:
            self.screen.happened(began, happening.who, happening.what)
        self.screen.came_of_it(came, self.reasons)
        if came.written and came.after_s is not None:
            (self.times.busy if self.busy else self.times.idle).append(came.after_s)

    @asynccontextmanager
    async def counting(self) -> AsyncIterator[None]:
        """Keep the counts and the line of this moment fresh."""
        with self.screen.footer():
            ticking = asyncio.create_task(self._tick())
            try:
                yield
            finally:
                ticking.cancel()
                await asyncio.gather(ticking, return_exceptions=True)

    async def _tick(self) -> None:
        while True:
            left = await left_to_do(self.stage)
            await self.tally.read(self.stage)
            if not left:
                self.looked_at()
            self.screen.now(footer(self.stage, self.tally, left=left))
            await asyncio.sleep(TICK_S)

    def looked_at(self) -> None:
        """Everybody was looked at once: from now on the service only follows what happens."""
        if not self.busy:
            return
        self.busy = False
        self.day.by_hand = True
        self.screen.blank()
        self.screen.plain("Everybody was looked at. From now on the service only follows what happens.")
        self.screen.blank()


async def play_for_ever(stage: Stage, screen: Screen, options: Options) -> int:
    """One thing after the other, at a pace that a person can follow, until cancelled; then sums up."""
    play = Play(stage, screen, options)
    await play.first_look()
    try:
        async with play.counting():
            for happening in play.day:
                await play.happen(happening, at_once=True)
                await asyncio.sleep(options.pace_s * play.rng.uniform(0.4, 1.6))
    finally:
        summary(screen, stage, play.tally, play.times)
    return 0


async def play_once(stage: Stage, screen: Screen, options: Options) -> int:
    """A fixed day; then everything comes to rest and every customer is checked. 0 when all are right."""
    play = Play(stage, screen, options)
    stage.haravan.deliveries.duplicate_rate = REPEATED
    await play.first_look()
    async with play.counting():
        day = iter(play.day)
        async with asyncio.TaskGroup() as going:
            for _ in range(options.morning):
                going.create_task(play.happen(next(day), at_once=False))
                await asyncio.sleep(options.hurry_s)
        came_to_rest = await settled(stage)
        if came_to_rest:
            play.looked_at()
            for _ in range(options.afternoon):
                await play.happen(next(day), at_once=True)
            came_to_rest = await settled(stage)
        await play.tally.read(stage)
    summary(screen, stage, play.tally, play.times)
    customers = [play.judge.read(stage.haravan.body(each)) for each in stage.haravan.ids()]
    now = datetime.now(UTC)
    wrong = [found for each in customers if (found := play.judge.wrong(each, now))]
    code = verdict(screen, wrong, customers=len(customers), came_to_rest=came_to_rest)
    if code:
        screen.plain(f"What web and worker said is in {stage.folder}")
    return code
