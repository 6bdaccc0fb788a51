"""Users, sessions and links: what is accepted, and when a session has ended."""

from __future__ import annotations

import pytest

from service.domain.access.users import (
    IDLE_MS,
    MAX_AGE_MS,
    Session,
    create_secret,
    normalize_email,
    parse_secret,
    user_problem,
)
from service.domain.customers import OrgId

RANDOM = bytes(range(32))


@pytest.mark.parametrize(
    ("now_ms", "used_ms", "is_over"),
    [
        pytest.param(IDLE_MS - 1, 0, False, id="just signed in"),
        pytest.param(IDLE_MS, 0, True, id="never used"),
        pytest.param(IDLE_MS * 3, IDLE_MS * 2 + 1, False, id="used lately"),
        pytest.param(IDLE_MS * 3, IDLE_MS * 2, True, id="not used for 12 hours"),
        pytest.param(MAX_AGE_MS, MAX_AGE_MS - 1, True, id="a week old"),
    ],
)
def test_a_session_ends_after_12_hours_of_rest_and_after_a_week(
    now_ms: int, used_ms: int, is_over: bool
) -> None:
    assert Session(0, "").is_over(used_ms, now_ms) is is_over


def test_a_secret_names_its_user_and_is_parsed_as_it_is_sent() -> None:
    secret = create_secret("lan", random=RANDOM)

    assert parse_secret(secret.text) == secret
    assert secret.name == "lan"


@pytest.mark.parametrize(
    "text", ["", "lan", "lan_", "lan_00", f"la_n_{'0' * 64}", f"lan_{'g' * 64}", f"_{'0' * 64}"]
)
def test_another_text_is_no_secret(text: str) -> None:
    assert parse_secret(text) is None


def test_what_is_stored_and_what_forms_carry_differ_from_the_secret() -> None:
    secret = create_secret("lan", random=RANDOM)

    assert len({secret.text, secret.digest, secret.form_token}) == 3
    assert RANDOM.hex() not in secret.digest + secret.form_token


@pytest.mark.parametrize(
    ("name", "email", "shops", "problem"),
    [
        ("lan", "lan@example.com", None, ""),
        ("lan.2", "lan+tag@mail.example.com.vn", frozenset({OrgId("1")}), ""),
        ("Lan Anh", "lan@example.com", None, "name"),
        ("la_n", "lan@example.com", None, "name"),
        ("lan", "lan", None, "email"),
        ("lan", "lan@example", None, "email"),
        ("lan", "lan@example.com\r\nBcc: x@example.com", None, "email"),
        ("lan", f"{'a' * 250}@example.com", None, "email"),
        ("lan", "lan@example.com", frozenset(), "shops"),
    ],
)
def test_a_wrong_user_is_named_by_its_field(
    name: str, email: str, shops: frozenset[OrgId] | None, problem: str
) -> None:
    assert user_problem(name, email, shops) == problem


def test_an_address_is_the_same_in_upper_case() -> None:
    assert normalize_email(" Lan@Example.COM ") == "lan@example.com"
