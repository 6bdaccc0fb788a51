"""The drain: reads marked customers of one shop, decides, and writes tags under the shop's lease.

The worker process runs `Drain` for each wake-up."""

from workers.drain import plans, settlement
from workers.drain.job import Drain
from workers.drain.pause import pause_for_rejected_token

__all__ = ["Drain", "pause_for_rejected_token", "plans", "settlement"]
