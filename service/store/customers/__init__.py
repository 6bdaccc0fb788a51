"""What the store keeps of each customer besides its mark: snapshot, ownership, intents, holds, reverts, exclusions.

Other rooms load and decode states; the scripts of the drain write them."""

from service.store.customers import snapshots, state
from service.store.customers.state import (
    StoredCustomer,
    decode_exclusions,
    encode_exclusions,
    last_snapshot,
    load_states,
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
