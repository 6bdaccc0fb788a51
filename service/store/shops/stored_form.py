"""How a shop is stored: its fields with sealed credentials, and what the environment last gave to it."""

from __future__ import annotations

import hashlib
import secrets

import msgspec

from service.store.encryption import ShopCipher
from service.store.shops.model import Shop

Fields = dict[str, bytes | str | int]  # of the shop's hash


class SeededFrom(msgspec.Struct, frozen=True):
    """The values of the environment that were last applied to a shop.

    The token's digest tells whether the token has changed, so that no start has to open a sealed value.
    """

    token_digest: str  # of the salt and the token
    salt: str
    api_url: str
    reserve: int

    def is_token(self, token: str) -> bool:
        """Whether the environment had this token."""
        return self.token_digest == _digest(self.salt, token)


def to_fields(shop: Shop, cipher: ShopCipher) -> Fields:
    """The fields of a shop, with its token and its secret sealed."""
    return {
        "name": shop.name,
        "dialect": shop.dialect,
        "api_url": shop.api_url,
        "timezone": shop.timezone,
        "currency": shop.currency,
        "token": seal(cipher, shop.token, "token"),
        "secret": seal(cipher, shop.secret, "secret"),
        "reserve": shop.reserve,
        "shadow": int(shop.shadow),
    }


def seal(cipher: ShopCipher, value: str, field_name: str) -> bytes:
    """Seal a value. An empty value stays empty."""
    return cipher.seal(value.encode(), field=field_name) if value else b""


def encode_seeded(shop: Shop) -> bytes:
    """The stored form of what the environment gave to a shop."""
    salt = secrets.token_hex(16)
    return msgspec.json.encode(SeededFrom(_digest(salt, shop.token), salt, shop.api_url, shop.reserve))


def decode_seeded(stored: bytes | None) -> SeededFrom | None:
    """What the environment last gave to a shop. None if it never gave anything."""
    return msgspec.json.decode(stored, type=SeededFrom) if stored else None


def _digest(salt: str, token: str) -> str:
    return hashlib.sha256(f"{salt}:{token}".encode()).hexdigest()
