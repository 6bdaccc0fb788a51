"""What stands around a page: sections by role, the other shops, the languages, the health strip."""

from __future__ import annotations

import re

import httpx2
import pytest

from service.domain.access import Role
from service.store.client import RedisClient
from tests.support.shop import ORG, OTHER_ORG
from tests.support.visitors import visit_as

SHOP_SECTIONS = [
    "/shops/{}",
    "/shops/{}/rules",
    "/shops/{}/history",
    "/shops/{}/customers",
    "/shops/{}/activity",
    "/shops/{}/deliveries",
]


def sections(text: str) -> list[str]:
    [nav] = re.findall(r'<nav class="sections".*?</nav>', text, re.DOTALL)
    return re.findall(r'href="([^"]+)"', nav)


def menu(text: str) -> list[str]:
    """The links in the menu of the account."""
    [summary] = re.findall(
        r'<details class="menu"><summary aria-label="Tài khoản.*?</details>', text, re.DOTALL
    )
    return re.findall(r'href="([^"]+)"', summary)


@pytest.mark.parametrize(
    ("role", "shown", "seldom"),
    [
        (Role.VIEWER, SHOP_SECTIONS, ["/shops/{}/audit", "/profile"]),
        (
            Role.OWNER,
            [*SHOP_SECTIONS, "/shops/{}/replay"],
            ["/users", "/tokens", "/shops/{}/audit", "/audit", "/profile"],
        ),
    ],
)
async def test_the_navigation_has_what_the_role_may_see(
    client: httpx2.AsyncClient, redis: RedisClient, role: Role, shown: list[str], seldom: list[str]
) -> None:
    visitor = await visit_as(client, redis, role)

    page = await visitor.get(f"/shops/{ORG}")

    assert sections(page.text) == [path.format(ORG) for path in shown]
    assert menu(page.text) == [path.format(ORG) for path in seldom]
    assert re.findall(r'href="([^"]+)" aria-current="page"', page.text) == [f"/shops/{ORG}"]


async def test_a_user_of_some_shops_sees_no_other_shop(
    client: httpx2.AsyncClient, redis: RedisClient
) -> None:
    some = await visit_as(client, redis, Role.OWNER, name="some", shops=frozenset({ORG}))

    page = await some.get(f"/shops/{ORG}")

    assert OTHER_ORG not in page.text
    shown = [*SHOP_SECTIONS, "/shops/{}/replay"]
    assert sections(page.text) == [path.format(ORG) for path in shown]


async def test_another_shop_keeps_the_section(client: httpx2.AsyncClient, redis: RedisClient) -> None:
    visitor = await visit_as(client, redis, Role.VIEWER)

    page = await visitor.get(f"/shops/{ORG}/audit?before=7")

    assert f'<a href="/shops/{OTHER_ORG}/audit">Hai</a>' in page.text
    assert f'href="/shops/{ORG}/audit?before=7&amp;lang=en"' in page.text
    assert 'class="strip' in page.text


async def test_a_page_of_no_shop_has_no_strip(client: httpx2.AsyncClient, redis: RedisClient) -> None:
    visitor = await visit_as(client, redis, Role.VIEWER)

    assert 'class="strip' not in (await visitor.get("/profile")).text
