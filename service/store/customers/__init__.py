"""What the store keeps of each customer besides its mark: snapshot, ownership, intents, holds, reverts, exclusions.

Other rooms load and decode states; the scripts of the drain write them."""

from service.store.customers import snapshots
from service.store.customers.names import full_name, load_names
from service.store.customers.sealed_snapshots import (
    PERSONAL_KEYS,
    Snapshot,
    drop_fields,
    is_current,
    kept_fields,
    read_snapshot,
    seal_snapshot,
)
from service.store.customers.state import (
    StoredCustomer,
    decode_exclusions,
    encode_exclusions,
    last_snapshot,
    load_states,
    save_values,
    to_state,
    to_stored_state,
)

__all__ = [
    "PERSONAL_KEYS",
    "Snapshot",
    "StoredCustomer",
    "decode_exclusions",
    "drop_fields",
    "encode_exclusions",
    "full_name",
    "is_current",
    "kept_fields",
    "last_snapshot",
    "load_names",
    "load_states",
    "read_snapshot",
    "save_values",
    "seal_snapshot",
    "snapshots",
    "to_state",
    "to_stored_state",
]
