"""`python -m tests.chaos.fsync`: what a kill -9 takes away while the disk is slow, with both settings of the store."""

from __future__ import annotations

import asyncio
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import uvloop

from tests.chaos.edge import edge, kept
from tests.chaos.posting import Poster
from tests.chaos.shim import built, why_not
from tests.chaos.store import ChaosStore


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one run."""

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


async def slowed(setting: str, *, fsync_s: float, seconds: float, kills: int = 1) -> Outcome:
    """Post for so long on a slow disk, kill the store now and then, start it on its files, and count."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    (folder / "logs").mkdir()
    store = ChaosStore(folder, fsync=setting, shim=built(folder))
    try:
        await store.start()
        durability = "fsync" if setting == "always" else "everysec"
        async with edge(folder, store.redis, f"unix://{store.socket}", durability=durability) as url:
            poster = Poster(url)
            assert store.shim is not None
            store.shim.slow_fsync(fsync_s)
            posting = asyncio.create_task(poster.run())
            for number in range(kills):
                await asyncio.sleep(
                    seconds / kills + 0.13 * number
                )  # not always at the same moment of its second
                await store.child.kill()
                await store.start()
            poster.stop()
            posted = await posting
        store.shim.slow_fsync(0)
        there = await kept(store.redis)
    finally:
        await store.redis.aclose()
        await store.child.stop(within_s=10)
        shutil.rmtree(folder)
    lost = len(posted.acknowledged.keys() - there)
    median = statistics.median(posted.took) * 1000 if posted.took else 0.0
    return Outcome(setting, len(posted.acknowledged), lost, posted.refused.total(), median)


async def both(*, fsync_s: float = 0.4, seconds: float = 30.0) -> bool:
    """Show both settings; whether the default kept its promise."""
    outcomes = [
        await slowed(each, fsync_s=fsync_s, seconds=seconds, kills=10) for each in ("always", "everysec")
    ]
    for each in outcomes:
        sys.stdout.write(f"{each}\n")
    return outcomes[0].lost == 0


if __name__ == "__main__":
    if reason := why_not():
        sys.exit(f"not done: {reason}")
    sys.exit(0 if uvloop.run(both()) else 1)
