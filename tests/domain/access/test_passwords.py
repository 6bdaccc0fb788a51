"""Passwords: which are good enough, and that only the right one is accepted."""

from __future__ import annotations

import unicodedata

import pytest

from service.domain.access.passwords import MAX_PASSWORD, hash_password, password_problem, verify_password

SALT = bytes(16)
GOOD = "mật khẩu rất dài"


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        (GOOD, ""),
        ("123456789", "short"),
        ("a" * 12, "simple"),
        ("aăâ" * 5, "simple"),
        ("lan.nguyen@example.com", "known"),
        ("Lan.Nguyen", "known"),
        ("x" * 100 + "yzabc" * 30, "long"),
    ],
)
def test_a_weak_password_is_named(password: str, problem: str) -> None:
    assert password_problem(password, email="lan.nguyen@example.com", name="lan") == problem


def test_a_password_is_hashed_with_argon2id_and_accepted_from_every_keyboard() -> None:
    stored = hash_password(unicodedata.normalize("NFD", GOOD), salt=SALT)

    assert stored.startswith("$argon2id$")
    assert verify_password(unicodedata.normalize("NFC", GOOD), stored)
    assert not verify_password(f"{GOOD}!", stored)


def test_the_salt_makes_two_hashes_differ() -> None:
    assert hash_password(GOOD, salt=SALT) != hash_password(GOOD, salt=b"\x01" * 16)


@pytest.mark.parametrize("stored", ["", "no hash", "$argon2id$v=19$broken"])
@pytest.mark.parametrize("password", ["", GOOD, "x" * (10 * MAX_PASSWORD)])
def test_without_a_stored_hash_no_password_is_right(stored: str, password: str) -> None:
    assert not verify_password(password, stored)
