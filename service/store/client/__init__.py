"""The connection to Redis: keys, scripts, scans, the server's clock and its durability settings.

Every other room of the store builds on it."""

from service.store.client import keys
from service.store.client.clock import handle_clock_step_back, server_time_ms
from service.store.client.connection import RedisClient, Store, connect
from service.store.client.durability import (
    MAX_USED,
    Durability,
    Layout,
    ServerCheck,
    away,
    check_server,
    evaluate_config,
    evaluate_layout,
    evaluate_server,
    load_layout,
    load_memory_used,
    load_server,
    memory_used,
    require_durable,
)
from service.store.client.erasures import load_erased_ms, queue_erased
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
    "ServerCheck",
    "Store",
    "StoreChange",
    "StoreMonitor",
    "StoreUnfit",
    "away",
    "batched",
    "check_server",
    "connect",
    "connect_queue",
    "deserialize",
    "evaluate_config",
    "evaluate_layout",
    "evaluate_server",
    "handle_clock_step_back",
    "keys",
    "load_erased_ms",
    "load_layout",
    "load_memory_used",
    "load_partitions",
    "load_script",
    "load_server",
    "memory_used",
    "queue_erased",
    "require_durable",
    "scan_hash",
    "script_text",
    "serialize",
    "server_time_ms",
    "without_away",
]
