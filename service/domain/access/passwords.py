"""Passwords: which are good enough, and how one is stored and checked.

People choose passwords, so each guess must be expensive: only the argon2id hash is stored. Checking takes about 50 ms and
64 MiB, outside of the interpreter lock: call it in a thread.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_PASSWORD: Final = 10  # characters
MAX_PASSWORD: Final = 200  # a longer one would only cost time
MIN_PASSWORD_VARIETY: Final = 5  # different characters
SALT_SIZE: Final = 16
_HASHER: Final = PasswordHasher()  # RFC 9106, low memory


def password_problem(password: str, *, email: str = "", name: str = "") -> str:
    """The key of what is wrong with a new password, "" if it is good: `short`, `long`, `simple` or `known`.

    Length is what makes guessing hard, so there is no rule about kinds of characters (NIST SP 800-63B).
    """
    password = normalize_password(password)
    if len(password) < MIN_PASSWORD:
        return "short"
    if len(password) > MAX_PASSWORD:
        return "long"
    if len(set(password)) < MIN_PASSWORD_VARIETY:
        return "simple"
    folded = password.casefold()
    if folded in (email.casefold(), email.casefold().partition("@")[0], name.casefold()):
        return "known"
    return ""


def normalize_password(password: str) -> str:
    """The password as it is hashed: `ế` is the same whether a keyboard sends one character or three."""
    return unicodedata.normalize("NFKC", password)


def hash_password(password: str, *, salt: bytes) -> str:
    """The argon2id hash of a password, with its parameters. `salt` has SALT_SIZE random bytes."""
    return _HASHER.hash(normalize_password(password), salt=salt)


def verify_password(password: str, stored: str) -> bool:
    """Whether this is the password. Without a stored hash it takes the same time (the first time twice), and is never true."""
    given = normalize_password(password[: 2 * MAX_PASSWORD])
    try:
        return _HASHER.verify(stored or _hash_of_nothing(), given) and bool(stored)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _hash_of_nothing() -> str:
    """Compared with when nothing is stored. Made at the first need: it takes as long as a check."""
    return _HASHER.hash("", salt=bytes(SALT_SIZE))
