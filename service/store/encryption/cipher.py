"""Sealing and opening the values of one shop."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from service.domain.customers import OrgId
from service.errors import MalformedData

ID_BYTES: Final = 4  # of a data key
NONCE_BYTES: Final = 12


class ShopCipher:
    """Seals and opens values with the data keys of one shop (AES-256-GCM).

    A sealed value is the id of its data key, a random nonce, and the ciphertext: 32 bytes more than the value. The shop
    and the field are associated data: a value that is copied to another shop, field or customer does not open.
    """

    def __init__(self, org: OrgId, data_keys: Mapping[bytes, bytes]) -> None:
        """`data_keys`: id -> key, those that could be unwrapped. The first one seals."""
        self._prefix = org.encode() + b"/"
        self._keys = {key_id: AESGCM(key) for key_id, key in data_keys.items()}

    @property
    def can_seal(self) -> bool:
        """Whether there is a data key."""
        return bool(self._keys)

    def seal(self, value: bytes, *, field: str) -> bytes:
        """The sealed value, different each time. Raises MalformedData if there is no data key."""
        for key_id, key in self._keys.items():
            nonce = secrets.token_bytes(NONCE_BYTES)
            return key_id + nonce + key.encrypt(nonce, value, self._prefix + field.encode())
        raise MalformedData(_UNREADABLE)

    def open(self, sealed: bytes, *, field: str) -> bytes:
        """The value. Raises MalformedData if its data key could not be unwrapped, or if it was sealed for another field."""
        key = self._keys.get(sealed[:ID_BYTES])
        if key is None:
            raise MalformedData(_UNREADABLE)
        nonce, ciphertext = sealed[ID_BYTES:][:NONCE_BYTES], sealed[ID_BYTES + NONCE_BYTES :]
        try:
            return key.decrypt(nonce, ciphertext, self._prefix + field.encode())
        except (InvalidTag, ValueError) as exc:  # ValueError: too short
            raise MalformedData("a sealed value was changed, or was copied from another place") from exc


_UNREADABLE: Final = (
    "a stored token or secret cannot be decrypted: its key is not in SECRET_KEY. Put that key back after the new one "
    "(SECRET_KEY=new,old) and run `tagger keys rotate`. If the key is lost, store the token again: "
    "tagger shops token ORG, and the webhook secret, if the shop has its own: tagger shops secret ORG"
)
