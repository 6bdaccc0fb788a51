"""The drain of one shop: reads its marked customers, decides, and writes tags under the shop's lease.

A worker process executes `Drain` for each wake-up of a shop. The demo packs a past with the functions of settlements.
"""

from workers.drain.job import Drain
from workers.drain.pause import pause_for_rejected_token
from workers.drain.settlement import after_success, decode_plan, settlement_for

__all__ = ["Drain", "after_success", "decode_plan", "pause_for_rejected_token", "settlement_for"]
