"""One chaos run: start, load and faults, a wait until the system is idle, the verdict."""

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

from tests.chaos.environment import STOP_TIMEOUT_S, Environment, Size, running
from tests.chaos.faults import FaultSchedule, switch_targets
from tests.chaos.load import Load
from tests.chaos.network import Network
from tests.chaos.on_call import OnCall
from tests.chaos.verdict import Verdict, check_promises

MAX_PENDING = 600  # pending deliveries for each shop: more would only be late
LONG_RUN = 20_000  # events
MAX_AHEAD = 0.02  # of their events that the shops may be ahead of the crowd


@dataclass(frozen=True, slots=True)
class Plan:
    """The options of a run."""

    events: int  # webhooks that the shops send, echoes included
    seed: int
    size: Size = field(default_factory=Size)
    per_s: float = float("inf")  # events at most
    mean_gap_s: float = 3.0
    idle_timeout_s: float = 120.0
    max_load_s: float = float("inf")  # then the load ends with fewer events
    keep: bool = False
    only: tuple[str, ...] = ()  # kinds of faults; all if there are none


@dataclass(slots=True)
class Result:
    """The result of a run."""

    verdict: Verdict
    faults: Counter[str]
    interventions: Counter[str]
    seconds: dict[str, float]
    folder: Path


async def run(
    plan: Plan, *, report: Callable[[str], None] = lambda _: None, network: Network | None = None
) -> Result:
    """Run it, on loopback unless there is a network. Its folder is deleted if nothing was wrong, unless the plan keeps it."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    result = await _run(plan, folder / "run", report, network)
    if not result.verdict.wrong and not plan.keep:
        shutil.rmtree(folder)
    return result


async def _run(plan: Plan, folder: Path, report: Callable[[str], None], network: Network | None) -> Result:
    began = time.monotonic()
    seconds: dict[str, float] = {}

    def lap(name: str) -> None:
        seconds[name] = time.monotonic() - began - sum(seconds.values())
        report(f"{name}: {seconds[name]:.1f} s")

    async with running(folder, plan.size, seed=plan.seed, network=network) as environment:
        lap("start")
        schedule = FaultSchedule(environment, Random(plan.seed), only=plan.only, report=report)
        switching = asyncio.create_task(switch_targets(environment, Random(plan.seed + 1)))
        try:
            await _run_load_and_faults(plan, environment, schedule, report)
            lap("load and faults")
            for shop in environment.shops:
                shop.handle.faults.clear()
            on_call = OnCall(environment)
            is_idle = await on_call.wait_until_idle(timeout_s=plan.idle_timeout_s)
            lap("until idle")
        finally:
            switching.cancel()
            with suppress(asyncio.CancelledError):
                await switching
        verdict = await check_promises(environment)
        if not is_idle:
            verdict.wrong.append(f"not idle after {plan.idle_timeout_s:.0f} s: {on_call.remaining}")
        pushed = sum(shop.deliveries.pushed for shop in environment.shops)
        verdict.figures["events"] = pushed + environment.crowd.posted
        lap("verdict")
        await _stop(environment, verdict)
        lap("end")
    return Result(verdict, schedule.counts, on_call.interventions, seconds, folder)


async def _run_load_and_faults(
    plan: Plan, environment: Environment, schedule: FaultSchedule, report: Callable[[str], None]
) -> None:
    load_ended = asyncio.Event()
    schedule.start_base_faults()
    loading = asyncio.create_task(_load(plan, environment, load_ended, report))
    injecting = asyncio.create_task(
        schedule.run(mean_gap_s=plan.mean_gap_s, load_ended=load_ended, is_short=plan.events < LONG_RUN)
    )
    try:
        done, _ = await asyncio.wait({loading, injecting}, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        loading.cancel()
        injecting.cancel()
        await asyncio.gather(loading, injecting, return_exceptions=True)


async def _load(
    plan: Plan, environment: Environment, load_ended: asyncio.Event, report: Callable[[str], None]
) -> None:
    """Act until the shops have sent as many webhooks as the plan says, with a bounded number of them pending."""
    load, started_s, reported_s = Load(environment.shops, Random(plan.seed + 2)), time.monotonic(), 0.0
    crowd = environment.crowd
    posting = asyncio.create_task(crowd.post(per_s=plan.per_s * (crowd.events / plan.events or 1)))
    events = plan.events - crowd.events
    while (
        pushed := sum(shop.deliveries.pushed for shop in environment.shops)
    ) < events or not posting.done():
        elapsed = time.monotonic() - started_s
        if elapsed > plan.max_load_s:
            crowd.stop()
            break
        if elapsed - reported_s > 10:
            reported_s = elapsed
            total = pushed + crowd.posted
            report(f"{total:,} of {plan.events:,} events, {total / elapsed:,.0f}/s")
        pending = sum(shop.deliveries.pending for shop in environment.shops)
        is_ahead = pushed >= events or (
            crowd.events > 0 and pushed / events > crowd.posted / crowd.events + MAX_AHEAD
        )
        is_full = pending > MAX_PENDING * len(environment.shops)
        if is_full or is_ahead or pushed > plan.per_s * elapsed:
            await asyncio.sleep(0.01)
            continue
        for _ in range(20):
            load.step()
        await asyncio.sleep(0)
    await posting
    load.announce_all()
    load_ended.set()


async def _stop(environment: Environment, verdict: Verdict) -> None:
    """Stop every process: it must end in time by itself. uvicorn ends with the signal that it received."""
    codes = await asyncio.gather(
        *(child.stop(timeout_s=STOP_TIMEOUT_S) for child in (*environment.webs, *environment.workers))
    )
    names = [child.name for child in (*environment.webs, *environment.workers)]
    wrong = [
        f"{name} ended with {code}" for name, code in zip(names, codes, strict=True) if code not in (0, -15)
    ]
    verdict.add("processes that did not stop properly", wrong)
