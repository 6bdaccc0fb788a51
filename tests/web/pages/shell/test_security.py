"""Where a change may come from, and where a redirect may lead."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from service.web.pages.shell.security import CONTENT_SECURITY_POLICY, is_same_origin, safe_path


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "https://shop.example"}, False),
        ({"sec-fetch-site": ""}, False),
        ({"origin": "https://shop.example"}, True),
        ({"origin": "https://shop.example:444"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
        ({}, False),
    ],
)
def test_a_change_comes_from_our_own_pages(headers: dict[str, str], is_ours: bool) -> None:
    assert is_same_origin(Headers(headers | {"host": "shop.example"})) is is_ours


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "/a\\b",
        "javascript:x",
        "/a\r\nSet-Cookie: b",
    ],
)
def test_a_redirect_never_leaves_the_site(text: str) -> None:
    assert safe_path(text) == "/"


@pytest.mark.parametrize("path", ["/", "/shops/1/rules?a=1&b=2", "/khách"])
def test_a_path_of_ours_is_kept(path: str) -> None:
    assert safe_path(path) == path


def test_the_policy_allows_nothing_inline() -> None:
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "data:" not in CONTENT_SECURITY_POLICY
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY
