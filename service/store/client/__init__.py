"""The Redis connection: keys, scripts, scans, the server's clock and its durability settings.

The other rooms of the store build on it."""

from service.store.client import durability, keys
from service.store.client.clock import handle_clock_step_back
from service.store.client.connection import DRAIN_QUEUE, EXPIRES_EXTRA_MS, connect, deserialize, serialize
from service.store.client.durability import ServerCheck, check_server, require_durable
from service.store.client.scan import SCAN_COUNT, batched, scan_hash
from service.store.client.scripts import load_script, script_text

__all__ = [
    "DRAIN_QUEUE",
    "EXPIRES_EXTRA_MS",
    "SCAN_COUNT",
    "ServerCheck",
    "batched",
    "check_server",
    "connect",
    "deserialize",
    "durability",
    "handle_clock_step_back",
    "keys",
    "load_script",
    "require_durable",
    "scan_hash",
    "script_text",
    "serialize",
]
