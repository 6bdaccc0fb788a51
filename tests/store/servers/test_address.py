"""Addresses of the store, as people write them."""

from __future__ import annotations

import pytest

from service.settings import REDIS_SCHEMES
from service.store.servers.address import SCHEMES, Credentials, Endpoint, parse_address, parse_endpoint


def test_settings_accept_every_scheme() -> None:
    assert set(REDIS_SCHEMES) == set(SCHEMES)


@pytest.mark.parametrize(
    ("url", "kind", "endpoints", "db"),
    [
        ("redis://store", "single", [("store", 6379)], 0),
        ("redis://store:7000/2", "single", [("store", 7000)], 2),
        ("rediss://[2001:db8::1]:7000", "single", [("2001:db8::1", 7000)], 0),
        ("redis://[::1]", "single", [("::1", 6379)], 0),
        ("unix:///run/store.sock", "single", [("/run/store.sock", 0)], 0),
        ("unix:///run/my%20store.sock?db=3", "single", [("/run/my store.sock", 0)], 3),
        ("redis+sentinel://a,b:1/main/4", "sentinel", [("a", 26379), ("b", 1)], 4),
        ("redis+cluster://a:1,[::1]:2,b", "cluster", [("a", 1), ("::1", 2), ("b", 6379)], 0),
    ],
)
def test_an_address_names_servers(url: str, kind: str, endpoints: list[tuple[str, int]], db: int) -> None:
    address = parse_address(url)

    assert (address.kind, list(address.endpoints), address.db) == (
        kind,
        [Endpoint(*each) for each in endpoints],
        db,
    )
    assert address.is_tls == url.startswith("rediss")


@pytest.mark.parametrize(
    ("url", "credentials"),
    [
        ("redis://store", Credentials()),
        ("redis://:p%40ss%2Fword@store", Credentials("", "p@ss/word")),
        ("redis://tagger:secret@store", Credentials("tagger", "secret")),
        ("unix:///store.sock?username=tagger&password=secret", Credentials("tagger", "secret")),
    ],
)
def test_an_address_has_credentials(url: str, credentials: Credentials) -> None:
    assert parse_address(url).credentials == credentials


def test_sentinels_have_credentials_of_their_own() -> None:
    address = parse_address("redis+sentinel://:store@a/main?sentinel_username=s&sentinel_password=other")

    assert address.credentials == Credentials("", "store")
    assert address.sentinel_credentials == Credentials("s", "other")
    assert address.service == "main"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://store", "scheme"),
        ("redis://", "no host"),
        ("redis://a,b", "several hosts"),
        ("redis+cluster://a/1", "database 0"),
        ("redis://:secret@store:x", "port"),
    ],
)
def test_a_bad_address_is_an_error_without_its_secret(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        parse_address(url)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("10.0.0.1:7000", ("10.0.0.1", 7000)),
        ("2001:db8::1:7000", ("2001:db8::1", 7000)),  # as nodes of a cluster write it
        ("[2001:db8::1]:7000", ("2001:db8::1", 7000)),
        (":7000", ("", 7000)),
    ],
)
def test_an_endpoint_is_read(text: str, endpoint: tuple[str, int]) -> None:
    assert parse_endpoint(text) == endpoint
