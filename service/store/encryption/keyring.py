"""The keys of SECRET_KEY. They wrap the data keys of shops, and seal nothing else."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from service.domain.customers import OrgId
from service.errors import InvalidSettings
from service.sentence import Sentence

WRAPPING: Final = b"haravan-tagger: wrapping of data keys, 1"
FINGERPRINT: Final = b"haravan-tagger: fingerprint of a key, 1"
FINGERPRINT_BYTES: Final = 4
NONCE_BYTES: Final = 12


class KeyRing:
    """Wraps data keys with the first key of SECRET_KEY and unwraps them with any of its keys.

    A wrapped key is the fingerprint of the wrapping key, a nonce, and the AES-GCM ciphertext. The shop and the id of the
    data key are associated data, so a wrapped key that is copied to another shop does not open there.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = {
            _derive(key, FINGERPRINT, FINGERPRINT_BYTES): AESGCM(_derive(key, WRAPPING, 32)) for key in keys
        }

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """The fingerprints of the keys, in the order of SECRET_KEY. A fingerprint does not reveal its key."""
        return tuple(fingerprint.hex() for fingerprint in self._keys)

    def wrap(self, data_key: bytes, *, org: OrgId, key_id: bytes) -> bytes:
        """Wrap a data key with the first key. Raises InvalidSettings if there is no key."""
        if not self._keys:
            raise InvalidSettings(
                Sentence("SECRET_KEY is missing: it encrypts tokens and secrets before they are stored")
            )
        fingerprint, key = next(iter(self._keys.items()))
        nonce = secrets.token_bytes(NONCE_BYTES)
        return fingerprint + nonce + key.encrypt(nonce, data_key, _bound_to(org, key_id))

    def unwrap(self, wrapped: bytes, *, org: OrgId, key_id: bytes) -> bytes | None:
        """The data key; None if no key of SECRET_KEY opens it."""
        key = self._keys.get(wrapped[:FINGERPRINT_BYTES])
        if key is None:
            return None
        nonce, sealed = wrapped[FINGERPRINT_BYTES:][:NONCE_BYTES], wrapped[FINGERPRINT_BYTES + NONCE_BYTES :]
        try:
            return key.decrypt(nonce, sealed, _bound_to(org, key_id))
        except (InvalidTag, ValueError):  # ValueError: too short
            return None


def fingerprint_of(wrapped: bytes) -> str:
    """The fingerprint of the key that wrapped this data key."""
    return wrapped[:FINGERPRINT_BYTES].hex()


def _derive(key: str, purpose: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose).derive(key.encode())


def _bound_to(org: OrgId, key_id: bytes) -> bytes:
    return b"data key/" + org.encode() + b"/" + key_id
