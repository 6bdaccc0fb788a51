"""OPS_TOKENS, SECRET_KEY and TRUSTED_PROXIES: what cannot work, or cannot be told apart later, stops the start."""

from __future__ import annotations

from pathlib import Path

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


def write(folder: Path, content: bytes) -> str:
    path = folder / "value"
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize("content", [f"{GOOD}{OTHER}", f"{GOOD}{OTHER}\n", f"\ufeff  {GOOD}{OTHER} \r\n"])
def test_a_secret_is_read_from_a_file_without_what_surrounds_it(tmp_path: Path, content: str) -> None:
    settings = read_settings({"SECRET_KEY_FILE": write(tmp_path, content.encode())})

    assert settings.secret_keys == (f"{GOOD}{OTHER}",)


def test_every_setting_can_be_read_from_a_file(tmp_path: Path) -> None:
    names = {"REDIS_URL": b"redis://store:6379/3", "PORT": b"8080\n", "ALERT_URLS": b"json://a,\njson://b\n"}
    environ = {}
    for name, content in names.items():
        (tmp_path / name).write_bytes(content)
        environ[f"{name}_FILE"] = str(tmp_path / name)

    settings = read_settings(environ)

    assert (settings.redis_url, settings.port) == ("redis://store:6379/3", 8080)
    assert settings.alert_urls == ("json://a", "json://b")


def test_a_value_and_a_file_together_are_a_conflict_that_is_named(tmp_path: Path) -> None:
    environ = {"METRICS_TOKEN": OTHER, "METRICS_TOKEN_FILE": write(tmp_path, GOOD.encode())}

    with pytest.raises(InvalidSettings, match="METRICS_TOKEN and METRICS_TOKEN_FILE are both set") as refused:
        read_settings(environ)

    assert GOOD not in str(refused.value)
    assert OTHER not in str(refused.value)
    assert read_settings(environ | {"METRICS_TOKEN": ""}).metrics_token == GOOD  # compose sets empty ones


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"k" * 70_000, "has more than 65536 bytes"),
    ],
)
def test_a_file_that_cannot_be_a_value_stops_the_start(tmp_path: Path, content: bytes, problem: str) -> None:
    with pytest.raises(InvalidSettings, match=f"SECRET_KEY_FILE: .*{problem}"):
        read_settings({"SECRET_KEY_FILE": write(tmp_path, content)})


@pytest.mark.parametrize("path", ["missing", "."])
def test_a_file_that_cannot_be_read_stops_the_start(tmp_path: Path, path: str) -> None:
    with pytest.raises(InvalidSettings, match=r"SECRET_KEY_FILE: .* cannot be read"):
        read_settings({"SECRET_KEY_FILE": str(tmp_path / path)})


def test_a_slip_in_a_file_is_warned_of_by_the_name_of_the_setting(tmp_path: Path) -> None:
    settings = read_settings({"METRICS_TOKEN_FILE": write(tmp_path, f'"{GOOD}"'.encode())})

    assert settings.metrics_token == GOOD
    assert settings.warnings == ("METRICS_TOKEN: quotes were ignored; write the value without them",)
