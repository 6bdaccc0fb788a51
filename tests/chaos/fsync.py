"""`python -m tests.chaos.fsync`: what a kill -9 loses on a slow disk, with both settings of the store."""

from __future__ import annotations

import asyncio
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import uvloop

from tests.chaos.poster import Poster
from tests.chaos.shim import build_shim, unavailable_reason
from tests.chaos.store import ChaosStore
from tests.chaos.web_process import recorded_signatures, web_process
from tests.support.valkey import Fsync


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one run."""

    setting: str
    acknowledged: int
    lost: int
    refused: int
    median_ms: float

    def __str__(self) -> str:
        return (
            f"appendfsync {self.setting}: {self.acknowledged:,} acknowledged (median {self.median_ms:.0f} ms), "
            f"{self.refused:,} refused, {self.lost:,} acknowledged and lost"
        )


async def run_with_slow_fsync(setting: Fsync, *, fsync_s: float, seconds: float, kills: int = 1) -> Outcome:
    """Post webhooks on a slow disk, kill the store and start it on its files several times, and count the losses."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    (folder / "logs").mkdir()
    store = ChaosStore(folder, fsync=setting, shim=build_shim(folder))
    try:
        await store.start()
        durability = "fsync" if setting == "always" else "everysec"
        async with web_process(folder, store.redis, f"unix://{store.socket}", durability=durability) as url:
            poster = Poster(url)
            assert store.shim is not None
            store.shim.slow_fsync(fsync_s)
            posting = asyncio.create_task(poster.run())
            for number in range(kills):
                await asyncio.sleep(seconds / kills + 0.13 * number)  # at different moments of the second
                await store.child.kill()
                await store.start()
            poster.stop()
            posted = await posting
        store.shim.slow_fsync(0)
        recorded = await recorded_signatures(store.redis)
    finally:
        await store.redis.aclose()
        await store.child.stop(timeout_s=10)
        shutil.rmtree(folder)
    lost = len(posted.acknowledged.keys() - recorded)
    median = statistics.median(posted.durations_s) * 1000 if posted.durations_s else 0.0
    return Outcome(setting, len(posted.acknowledged), lost, posted.refused.total(), median)


async def compare_settings(*, fsync_s: float = 0.4, seconds: float = 30.0) -> bool:
    """Print both settings. True if the default lost nothing."""
    settings: tuple[Fsync, ...] = ("always", "everysec")
    outcomes = [
        await run_with_slow_fsync(setting, fsync_s=fsync_s, seconds=seconds, kills=10) for setting in settings
    ]
    for outcome in outcomes:
        sys.stdout.write(f"{outcome}\n")
    return outcomes[0].lost == 0


if __name__ == "__main__":
    if reason := unavailable_reason():
        sys.exit(f"skipped: {reason}")
    sys.exit(0 if uvloop.run(compare_settings()) else 1)
