"""A token is sent only to the host that a person reads in the address, and never unencrypted over the internet."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from yarl import URL

from service.runtime.addresses import address_problem

USABLE = [
    "https://apis.haravan.com/com",
    "https://hai.myharavan.com/admin",
    "https://webhook.haravan.com/api/subscribe",
    "https://apis.haravan.com:8443/com/",
    "https://192.0.2.1/com",
    "https://[2001:db8::1]/com",
    "http://127.0.0.1:8080/com",
    "http://[::1]:8080/com",
    "http://localhost/com",
    "http://shop.localhost:9000/com",
    "http://sandbox:8080/com",
    "http://10.1.2.3/com",
    "http://192.168.1.20:8080/com",
    "http://sandbox.default.svc.cluster.local/com",
    "https://apis.haravan.com",
]
REFUSED = [
    ("https://apis.haravan.com@evil.example", "real host"),
    ("https://apis.haravan.com:443@evil.example/com", "real host"),
    ("https://user:password@apis.haravan.com/com", "real host"),
    ("http://134744072", "number"),
    ("http://0x08080808/com", "number"),
    ("https://0x8.0x8.0x8.0x8/com", "number"),
    ("https://010.8.8.8/com", "number"),
    ("https://8.8/com", "number"),
    ("http://2130706433/com", "number"),
    ("http://apis.haravan.com/com", "unencrypted"),
    ("http://8.8.8.8/com", "unencrypted"),
    ("http://[2001:4860:4860::8888]/com", "unencrypted"),
    ("http://localhost.evil.example/com", "unencrypted"),
    ("http://127.0.0.1.evil.example/com", "unencrypted"),
    ("http://169.254.169.254/com", "no server of yours"),
    ("https://[fe80::1]/com", "no server of yours"),
    ("https://0.0.0.0/com", "no server of yours"),
    ("https://apis.haravan.com\\@evil.example", "real host"),
    ("https://evil.example\\.haravan.com/com", "form"),
    ("https://apis.haravan.com/com?x=", "without ?"),
    ("https://evil.example#.haravan.com/com", "without ?"),
    ("https://apis.haravan.com/com x", "form"),
    (" https://apis.haravan.com", "start with"),
    ("https://apis.haravan.com\n.evil.example/com", "form"),
    ("https://apis。haravan.com/com", "form"),
    ("https://аpis.haravan.com/com", "form"),
    ("https://apis.haravan.com:0/com", "port"),
    ("https://apis.haravan.com:99999/com", "port"),
    ("https://apis.haravan.com:/com", "form"),
    ("https://apis..haravan.com/com", "valid name"),
    ("https://-apis.haravan.com/com", "valid name"),
    ("https:///com", "form"),
    ("https:/apis.haravan.com", "start with"),
    ("//apis.haravan.com", "start with"),
    ("ftp://apis.haravan.com", "start with"),
    ("HTTPS://apis.haravan.com", "start with"),
    ("https://[::1", "form"),
    ("https://[::1%25eth0]/com", "form"),
    ("https://[1.2.3.4]x/com", "form"),
    ("https://" + "a" * 3_000 + ".example/com", "form"),
    ("", "start with"),
]


@pytest.mark.parametrize("address", USABLE)
def test_a_clear_address_is_usable(address: str) -> None:
    assert address_problem(address) is None


@pytest.mark.parametrize("address", USABLE)
def test_the_http_client_goes_to_the_host_that_was_checked(address: str) -> None:
    assert URL(address).host == urlsplit(address).hostname
    assert (URL(address).host or "nothing") in address


@pytest.mark.parametrize(("address", "why"), REFUSED)
def test_any_other_is_refused_in_words_that_do_not_show_it(address: str, why: str) -> None:
    problem = str(address_problem(address) or "")

    assert why in problem
    assert "evil" not in problem
    assert "password" not in problem
