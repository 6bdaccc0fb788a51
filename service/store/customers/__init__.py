"""What the store keeps of each customer: snapshot, ownership, holds, intents.

Others load and count stored states."""

from service.store.customers import snapshots, state
from service.store.customers.state import StoredCustomer, load_states
from service.store.customers.stored_state import (
    decode_exclusions,
    encode_exclusions,
    last_snapshot,
    to_state,
    to_stored_state,
)

__all__ = [
    "StoredCustomer",
    "decode_exclusions",
    "encode_exclusions",
    "last_snapshot",
    "load_states",
    "snapshots",
    "state",
    "to_state",
    "to_stored_state",
]
