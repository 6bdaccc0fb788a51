"""Encryption of what the store keeps of a shop: tokens, secrets, and the personal part of snapshots.

Each shop has a random data key that seals its values. The keys of SECRET_KEY only wrap data keys, so a new SECRET_KEY
rewraps a few bytes of each shop (decision record 0020)."""

from service.store.encryption.cipher import ShopCipher
from service.store.encryption.data_keys import (
    DataKeys,
    WrappedKey,
    delete_unreadable,
    list_wrapped,
    new_data_key,
    open_cipher,
    queue_save,
    rewrap,
)
from service.store.encryption.key_status import KeyStatus, KeyUse, key_status
from service.store.encryption.keyring import KeyRing, fingerprint_of

__all__ = [
    "DataKeys",
    "KeyRing",
    "KeyStatus",
    "KeyUse",
    "ShopCipher",
    "WrappedKey",
    "delete_unreadable",
    "fingerprint_of",
    "key_status",
    "list_wrapped",
    "new_data_key",
    "open_cipher",
    "queue_save",
    "rewrap",
]
