"""All servers of the store, replicas included: what state they are in, and how erased data leaves their disks."""

from service.store.topology.aof_rewrite import RewriteState, load_rewrite_state, rewrite_after_erasure
from service.store.topology.members import load_members
from service.store.topology.status import URGENT_CHECKS, ServerStatus, StoreStatus, load_status

__all__ = [
    "URGENT_CHECKS",
    "RewriteState",
    "ServerStatus",
    "StoreStatus",
    "load_members",
    "load_rewrite_state",
    "load_status",
    "rewrite_after_erasure",
]
