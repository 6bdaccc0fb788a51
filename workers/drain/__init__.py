"""The drain of one shop: reads its marked customers, decides, and writes tags under the shop's lease.

A worker process executes `Drain` for each wake-up of a shop.
"""

from workers.drain.job import Drain
from workers.drain.pause import pause_for_rejected_token

__all__ = ["Drain", "pause_for_rejected_token"]
