"""Addresses that events may be sent to."""

from __future__ import annotations

import ipaddress

import pytest

from service.runtime import is_public, may_connect, receiver_problem

PRIVATE = (
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),  # noqa: S104
    *("255.255.255.255", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::1"),
)  # fmt: skip
PUBLIC = ("8.8.8.8", "203.0.114.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8")


@pytest.mark.parametrize("ip", PRIVATE)
def test_an_address_that_is_not_of_the_internet_is_refused(ip: str) -> None:
    host = f"[{ip}]" if ":" in ip else ip

    assert not is_public(ipaddress.ip_address(ip))
    assert receiver_problem(f"https://{host}/hook")


@pytest.mark.parametrize("ip", PUBLIC)
def test_an_address_of_the_internet_is_allowed_by_https_only(ip: str) -> None:
    address = ipaddress.ip_address(ip)

    assert is_public(address)
    assert may_connect(address, allowed=(), is_encrypted=True)
    assert not may_connect(address, allowed=("10.0.0.0/8",), is_encrypted=False)


def test_a_private_network_is_allowed_by_the_setting() -> None:
    allowed = ("10.0.0.0/8", "::1")

    assert receiver_problem("http://10.1.2.3:8080/hook", allowed=allowed) is None
    assert receiver_problem("https://[::1]/hook", allowed=allowed) is None
    assert receiver_problem("http://192.168.1.1/hook", allowed=allowed)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook",
        "https://hooks.example.com:8443/a/b?key=1&x=%20",
        "https://a.vn",
        "https://localhost/x",
    ],
)
def test_a_name_is_resolved_and_checked_at_each_request(url: str) -> None:
    assert receiver_problem(url) is None


@pytest.mark.parametrize(
    "url",
    [
        *("", "example.com", "ftp://example.com", "https://", "https:///x", "http://example.com/hook", "file:///etc/passwd"),
        *("https://user:pass@example.com/", "https://example.com/#x", "https://exa mple.com", "https://ví-dụ.vn/"),
        *("https://2130706433/", "https://0x7f.1/", "https://127.1/", "https://example.com:0/", "https://example.com:99999/"),
        *("https://[::1", "https://example.com\\@evil.com/", "https://a\n.com", "https://" + "a" * 2_000),
    ],
)  # fmt: skip
def test_what_libraries_may_read_differently_is_refused(url: str) -> None:
    assert receiver_problem(url)
