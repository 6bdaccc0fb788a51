"""Seals tokens and secrets before they are stored, so that a copy of the store is not a copy of the shops' keys."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from service.errors import InvalidSettings, MalformedData

PURPOSE: Final = b"haravan-tagger: tokens and secrets at rest, 1"


class Cipher:
    """Seals with the first key of SECRET_KEY and opens with any of them.

    To rotate: put the new key first, leave the old one behind it, seal everything again (`shops.seal_again`), then
    take the old one out.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(_derived(key)) for key in keys]) if keys else None

    def encrypt(self, text: str) -> bytes:
        """The sealed bytes, different each time; raises BadSettings where there is no key."""
        return self._keys().encrypt(text.encode())

    def decrypt(self, sealed: bytes) -> str:
        """What was sealed; raises Unreadable when no key fits, BadSettings where there is none."""
        try:
            return self._keys().decrypt(sealed).decode()
        except InvalidToken as exc:
            raise MalformedData(
                "a stored token or secret cannot be opened: the key that sealed it is not in SECRET_KEY any more. "
                "Put that key back behind the new one, or store the token again: tagger shops token ORG"
            ) from exc

    def _keys(self) -> MultiFernet:
        if self._fernet is None:
            raise InvalidSettings(
                "SECRET_KEY is missing: tokens and secrets are sealed with it before they are stored"
            )
        return self._fernet


def _derived(key: str) -> bytes:
    """A key for this purpose alone: SECRET_KEY also signs sessions."""
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE)
    return urlsafe_b64encode(derive.derive(key.encode()))
