"""Users of the pages, their sessions, and the one-time links with which they sign in without a password.

A user has a short name, which log and audit log show, and an e-mail address to sign in with, which they never show.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final, NamedTuple

import msgspec

from service.domain.access.actor import Actor, Shops
from service.domain.access.role import Role
from service.domain.access.tokens import MAX_SHOPS, NAME_PATTERN
from service.domain.customers import OrgId

IDLE_MS: Final = 12 * 3_600_000  # a session ends after this time without a request
MAX_AGE_MS: Final = 7 * 86_400_000  # and at this age in any case
LINK_MS: Final = 24 * 3_600_000  # a one-time link is valid for a day
MAX_EMAIL: Final = 254  # RFC 5321
MAX_AGENT: Final = 200
_EMAIL: Final = re.compile(
    r"[^@\s\x00-\x1f<>\"'(),:;\[\]\\]{1,64}@[^@\s\x00-\x1f<>\"'(),:;\[\]\\]+\.[^@\s.]{2,}"
)
_SECRET: Final = re.compile(rf"({NAME_PATTERN})_([0-9a-f]{{64}})")


class User(msgspec.Struct, frozen=True):
    """What is stored of a user. `shops` None: every shop; `password` "": none yet, so only a link signs in."""

    name: str
    email: str
    role: Role
    created_ms: int
    created_by: str
    shops: tuple[OrgId, ...] | None = None
    password: str = ""  # argon2id
    password_ms: int = 0  # when it was set

    def to_actor(self) -> Actor:
        """The actor of a request by this user."""
        return Actor(self.name, self.role, "user", None if self.shops is None else frozenset(self.shops))


class Session(msgspec.Struct, frozen=True):
    """What is stored of a session besides the digest of its id."""

    created_ms: int
    agent: str  # what the browser says it is
    by_link: bool = False  # signed in by a one-time link: may set a password without the old one

    def is_over(self, used_ms: int, now_ms: int) -> bool:
        """Whether the session has ended: too old, or unused for too long."""
        return now_ms - self.created_ms >= MAX_AGE_MS or now_ms - max(used_ms, self.created_ms) >= IDLE_MS


LINK_PATH: Final = "/sign-in"


class UserSecret(NamedTuple):
    """The secret of a session or of a link: `NAME_DIGITS`. It contains the user's name, so that one look-up finds both."""

    name: str
    text: str

    @property
    def digest(self) -> str:
        """What is stored of it: its SHA-256. Nobody guesses 256 random bits, see the decision record 0021."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def link_path(self) -> str:
        """The address of a one-time link. The access log has paths without their query, so it never has the secret."""
        return f"{LINK_PATH}?key={self.text}"

    @property
    def form_token(self) -> str:
        """The token that a form of this session carries: it says nothing about the secret."""
        return hashlib.sha256(f"form:{self.text}".encode()).hexdigest()


def create_secret(name: str, *, random: bytes) -> UserSecret:
    """A new secret of this user, of 32 random bytes."""
    return UserSecret(name, f"{name}_{random.hex()}")


def parse_secret(text: str) -> UserSecret | None:
    """A secret as a browser sends it. None if it does not look like one, so that nothing is looked up."""
    match = _SECRET.fullmatch(text)
    return UserSecret(match[1], text) if match else None


def normalize_email(text: str) -> str:
    """An address as it is stored and compared. Upper and lower case are one address at every provider in use."""
    return text.strip().casefold()


def user_problem(name: str, email: str, shops: Shops) -> str:
    """The key of what is wrong with a new user, "" if nothing is: `name`, `email` or `shops`."""
    if not re.fullmatch(NAME_PATTERN, name):
        return "name"
    if len(email) > MAX_EMAIL or not _EMAIL.fullmatch(email):
        return "email"
    if shops is not None and not 0 < len(shops) <= MAX_SHOPS:
        return "shops"
    return ""
