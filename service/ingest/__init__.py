"""Durable acknowledgement: webhooks are written to Redis in batches, and each is answered after its own write.

Only the web process uses this room.
"""

from service.ingest.batch import Flush, ShopBatch
from service.ingest.group_commit import GroupCommit, QueueFull

__all__ = ["Flush", "GroupCommit", "QueueFull", "ShopBatch"]
