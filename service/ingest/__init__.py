"""Durable acknowledgement: webhooks are written in batches, and answered when their batch is on disk.

The webhook endpoint submits deliveries to a `GroupCommit`."""

from service.ingest.batch import Flush, ShopBatch
from service.ingest.group_commit import DEADLINE_S, GroupCommit, QueueFull

__all__ = ["DEADLINE_S", "Flush", "GroupCommit", "QueueFull", "ShopBatch"]
