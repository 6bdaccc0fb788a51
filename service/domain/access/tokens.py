"""Tokens: how they look, what is stored of one, and when one is valid.

A token is `tagger_NAME_SECRET` with 64 hexadecimal digits of randomness. Only its SHA-256 is stored. A slow hash such
as argon2 protects passwords, which people choose: it makes each guess expensive. Nobody guesses 256 random bits at any
speed, and a slow hash would only make every request slow (see the decision record 0021).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final, NamedTuple

import msgspec

from service.domain.access.actor import Actor, Shops
from service.domain.access.role import Role
from service.domain.customers import OrgId
from service.errors import Refused
from service.sentence import Sentence

NAME_PATTERN: Final = "[A-Za-z0-9][A-Za-z0-9.-]{0,39}"  # no `_`, which separates the parts of a token
MAX_SHOPS: Final = 1000
_TOKEN: Final = re.compile(rf"tagger_({NAME_PATTERN})_[0-9a-f]{{64}}")
_NO_TOKEN: Final = hashlib.sha256(b"").hexdigest()


class Token(msgspec.Struct, frozen=True):
    """What is stored of a token. `shops` None: every shop; `expires_ms` 0: never."""

    name: str
    role: Role
    digest: str  # SHA-256 of the whole token, hexadecimal
    created_ms: int
    created_by: str
    shops: tuple[OrgId, ...] | None = None
    expires_ms: int = 0

    def is_expired(self, now_ms: int) -> bool:
        """Whether the token is not valid any more."""
        return 0 < self.expires_ms <= now_ms

    def to_actor(self) -> Actor:
        """The actor of a request with this token."""
        return Actor(self.name, self.role, "token", None if self.shops is None else frozenset(self.shops))


class NewToken(NamedTuple):
    """A new token. `secret` is the whole token as its owner sends it: it is shown once."""

    secret: str
    stored: Token


def create_token(
    name: str, role: Role, *, shops: Shops, expires_ms: int, by: Actor, now_ms: int, random: bytes
) -> NewToken:
    """Make a token of 32 random bytes. Raises Refused if the name, a shop or the expiry is wrong."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise Refused(
            Sentence(
                "{name!r} cannot be the name of a token: use up to 40 letters A-Z, digits, dots and dashes",
                name=name,
            )
        )
    if shops is not None and not 0 < len(shops) <= MAX_SHOPS:
        raise Refused(Sentence("name 1 to {most} shops, or none for a token of every shop", most=MAX_SHOPS))
    if expires_ms and expires_ms <= now_ms:
        raise Refused(Sentence("the token would have expired already: choose a later time"))
    secret = f"tagger_{name}_{random.hex()}"
    orgs = None if shops is None else tuple(sorted(shops))
    return NewToken(secret, Token(name, role, hash_token(secret), now_ms, by.name, orgs, expires_ms))


def token_name(given: str) -> str | None:
    """The name in a token. None if the text does not look like one of our tokens, so that nothing is looked up."""
    match = _TOKEN.fullmatch(given)
    return match[1] if match else None


def hash_token(token: str) -> str:
    """The SHA-256 of a token, hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def matches(given: str, stored: Token | None) -> bool:
    """Whether this is the token. It takes the same time for a wrong token and for an unknown name."""
    expected = _NO_TOKEN if stored is None else stored.digest
    return hmac.compare_digest(hash_token(given), expected) and stored is not None
