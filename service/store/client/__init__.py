"""The connection to Redis: keys, scripts, scans, the server's clock and its durability settings.

Every other room of the store builds on it."""

from service.store.client import keys
from service.store.client.aof_rewrite import (
    RewriteState,
    load_rewrite_state,
    queue_erased,
    rewrite_after_erasure,
)
from service.store.client.clock import handle_clock_step_back, server_time_ms
from service.store.client.connection import RedisClient, Store, connect
from service.store.client.durability import (
    MAX_USED,
    Durability,
    Layout,
    ServerCheck,
    check_server,
    evaluate_layout,
    load_layout,
    load_memory_used,
    require_durable,
)
from service.store.client.keys import SERVICE
from service.store.client.monitor import StoreChange, StoreMonitor, StoreUnfit
from service.store.client.queue_pool import (
    DRAIN_QUEUE,
    EXPIRES_EXTRA_MS,
    connect_queue,
    deserialize,
    serialize,
)
from service.store.client.scan import SCAN_COUNT, SKIP_S, batched, load_partitions, scan_hash, without_away
from service.store.client.scripts import load_script, script_text

__all__ = [
    "DRAIN_QUEUE",
    "EXPIRES_EXTRA_MS",
    "MAX_USED",
    "SCAN_COUNT",
    "SERVICE",
    "SKIP_S",
    "Durability",
    "Layout",
    "RedisClient",
    "RewriteState",
    "ServerCheck",
    "Store",
    "StoreChange",
    "StoreMonitor",
    "StoreUnfit",
    "batched",
    "check_server",
    "connect",
    "connect_queue",
    "deserialize",
    "evaluate_layout",
    "handle_clock_step_back",
    "keys",
    "load_layout",
    "load_memory_used",
    "load_partitions",
    "load_rewrite_state",
    "load_script",
    "queue_erased",
    "require_durable",
    "rewrite_after_erasure",
    "scan_hash",
    "script_text",
    "serialize",
    "server_time_ms",
    "without_away",
]
