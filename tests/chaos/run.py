"""One chaos run from beginning to end: stage, faults and load, quiet, verdict."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.chaos.happenings import Happenings, swing
from tests.chaos.load import Load
from tests.chaos.quiet import Nurse
from tests.chaos.stage import STOP_WITHIN_S, Size, Stage, staged
from tests.chaos.verdict import Verdict, judged

MOST_PENDING = 600  # deliveries on their way, for each shop: more would only make them late
LONG = 20_000  # events


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is to be."""

    events: int  # webhooks that the shops send of their own accord, echoes included
    seed: int
    size: Size = field(default_factory=Size)
    per_s: float = float("inf")
    mean_gap_s: float = 3.0
    quiet_within_s: float = 120.0
    keep: bool = False


@dataclass(slots=True)
class Result:
    """What a run was."""

    verdict: Verdict
    faults: Counter[str]
    nursed: Counter[str]
    seconds: dict[str, float]
    folder: Path


async def run(plan: Plan, *, tell: Callable[[str], None] = lambda _: None) -> Result:
    """Carry out a run. Its folder is removed if all was good, unless it is to be kept."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    result = await _run(plan, folder / "run", tell)
    if not result.verdict.wrong and not plan.keep:
        shutil.rmtree(folder)
    return result


async def _run(plan: Plan, folder: Path, tell: Callable[[str], None]) -> Result:
    began = time.monotonic()
    seconds: dict[str, float] = {}

    def lap(name: str) -> None:
        seconds[name] = time.monotonic() - began - sum(seconds.values())
        tell(f"{name}: {seconds[name]:.1f} s")

    async with staged(folder, plan.size, seed=plan.seed) as stage:
        lap("start")
        happenings = Happenings(stage, Random(plan.seed), tell=tell)
        swinging = asyncio.create_task(swing(stage, Random(plan.seed + 1)))
        try:
            await _storm(plan, stage, happenings, tell)
            lap("load and faults")
            for shop in stage.shops:
                shop.handle.faults.clear()
            nurse = Nurse(stage)
            calm = await nurse.quiet(within_s=plan.quiet_within_s)
            lap("until quiet")
        finally:
            swinging.cancel()
            with suppress(asyncio.CancelledError):
                await swinging
        verdict = await judged(stage)
        if not calm:
            verdict.wrong.append(f"still not quiet after {plan.quiet_within_s:.0f} s: {nurse.left}")
        verdict.figures["events"] = sum(each.witness.pushed for each in stage.shops)
        lap("verdict")
        await _end(stage, verdict)
        lap("end")
    return Result(verdict, happenings.counts, nurse.done, seconds, folder)


async def _storm(plan: Plan, stage: Stage, happenings: Happenings, tell: Callable[[str], None]) -> None:
    enough = asyncio.Event()
    happenings.begin_base_faults()
    loading = asyncio.create_task(_load(plan, stage, enough, tell))
    storming = asyncio.create_task(
        happenings.run(mean_gap_s=plan.mean_gap_s, enough=enough, briefly=plan.events < LONG)
    )
    try:
        done, _ = await asyncio.wait({loading, storming}, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        loading.cancel()
        storming.cancel()
        await asyncio.gather(loading, storming, return_exceptions=True)


async def _load(plan: Plan, stage: Stage, enough: asyncio.Event, tell: Callable[[str], None]) -> None:
    """Let things happen until enough webhooks were sent; never more on their way than can be in time."""
    load, began, told = Load(stage.shops, Random(plan.seed + 2)), time.monotonic(), 0.0
    while (pushed := sum(each.witness.pushed for each in stage.shops)) < plan.events:
        elapsed = time.monotonic() - began
        if elapsed - told > 10:
            told = elapsed
            tell(f"{pushed:,} of {plan.events:,} events, {pushed / elapsed:,.0f}/s")
        pending = sum(each.witness.pending for each in stage.shops)
        if pending > MOST_PENDING * len(stage.shops) or pushed > plan.per_s * elapsed:
            await asyncio.sleep(0.01)
            continue
        for _ in range(20):
            load.step()
        await asyncio.sleep(0)
    load.speak_of_all()
    enough.set()


async def _end(stage: Stage, verdict: Verdict) -> None:
    """Told to stop, every process of ours ends in peace (uvicorn then raises the signal that it was sent)."""
    codes = await asyncio.gather(
        *(each.stop(within_s=STOP_WITHIN_S) for each in (*stage.webs, *stage.workers))
    )
    names = [each.name for each in (*stage.webs, *stage.workers)]
    wrong = [
        f"{name} ended with {code}" for name, code in zip(names, codes, strict=True) if code not in (0, -15)
    ]
    verdict.blame("processes that did not end in peace", wrong)
