"""OPS_TOKENS, SECRET_KEY and TRUSTED_PROXIES: what cannot work, or cannot be told apart later, stops the start."""

from __future__ import annotations

import pytest

from service.errors import InvalidSettings
from service.settings import read_settings

GOOD, OTHER = "0123456789abcdef", "fedcba9876543210"


def test_tokens_are_read_by_name() -> None:
    settings = read_settings({"OPS_TOKENS": f"an={GOOD}, truc_ca = {OTHER}=="})

    assert settings.ops_tokens == {"an": GOOD, "truc_ca": f"{OTHER}=="}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (GOOD, "entry 1: write name=token"),
        ("an=", "entry 1: write name=token"),
        (f"an={GOOD},", "entry 2: write name=token"),
        (f",an={GOOD}", "entry 1: write name=token"),
        (f"={GOOD}", "entry 1: the name has"),
        (f"đạt={GOOD}", "entry 1: the name has"),
        (f"a b={GOOD}", "entry 1: the name has"),
        ("an=0123456789abcde", "entry 1: the token is shorter than 16 characters"),
        ("an=0123456789abcdeé", "entry 1: the token has characters that a header cannot carry"),
        ("an=01234567 89abcdef", "entry 1: the token has characters that a header cannot carry"),
        (f"an={GOOD},an={OTHER}", "entry 2: the name is that of an earlier entry"),
        (f"an={GOOD},lan={GOOD}", "entry 2: the token is that of an earlier entry"),
    ],
)
def test_a_token_that_cannot_work_stops_the_start(value: str, problem: str) -> None:
    with pytest.raises(InvalidSettings) as raised:
        read_settings({"OPS_TOKENS": value})

    assert f"OPS_TOKENS, {problem}" in str(raised.value)
    assert GOOD not in str(raised.value)


@pytest.mark.parametrize(
    "key", ["k" * 32, "abcdefg" * 5, "0123456789abcdef"], ids=["one letter", "seven letters", "short"]
)
def test_a_secret_key_that_can_be_guessed_stops_the_start(key: str) -> None:
    with pytest.raises(InvalidSettings, match="SECRET_KEY") as refused:
        read_settings({"SECRET_KEY": f"{GOOD + OTHER},{key}"})

    assert key not in str(refused.value)


def test_proxies_are_addresses_or_networks() -> None:
    assert read_settings({"TRUSTED_PROXIES": "10.0.0.5, 10.1.0.0/16"}).trusted_proxies == (
        "10.0.0.5",
        "10.1.0.0/16",
    )
    assert read_settings({}).trusted_proxies == ("127.0.0.1", "::1")
    with pytest.raises(InvalidSettings, match="TRUSTED_PROXIES: write addresses or networks"):
        read_settings({"TRUSTED_PROXIES": "proxy"})
