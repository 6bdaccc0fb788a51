"""Encryption of tokens and secrets, so that a copy of the Redis data does not reveal them."""

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
    """Encrypts with the first key of SECRET_KEY and decrypts with any of them.

    To rotate a key, put the new one before the old one, encrypt everything again (`ShopRepository.reencrypt`), and
    remove the old one.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(_derive(key)) for key in keys]) if keys else None

    def encrypt(self, text: str) -> bytes:
        """The encrypted text, different each time. Raises InvalidSettings if there is no key."""
        return self._keys().encrypt(text.encode())

    def decrypt(self, encrypted: bytes) -> str:
        """The plain text. Raises MalformedData if no key fits, InvalidSettings if there is no key."""
        try:
            return self._keys().decrypt(encrypted).decode()
        except InvalidToken as exc:
            raise MalformedData(
                "a stored token or secret cannot be decrypted: its key is not in SECRET_KEY any more. "
                "Put that key back after the new one, or store the token again: tagger shops token ORG"
            ) from exc

    def _keys(self) -> MultiFernet:
        if self._fernet is None:
            raise InvalidSettings(
                "SECRET_KEY is missing: it encrypts tokens and secrets before they are stored"
            )
        return self._fernet


def _derive(key: str) -> bytes:
    """A key for this purpose only, because SECRET_KEY also signs sessions."""
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE)
    return urlsafe_b64encode(derive.derive(key.encode()))
