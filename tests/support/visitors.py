"""Visitors of the pages: a user with a session, and requests as a browser sends them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import httpx2

from service.domain.access import ALL_SHOPS, Role, Session, Shops, User, UserSecret, create_secret
from service.store.access import sessions, users
from service.store.client import RedisClient

COOKIE: Final = "__Host-sid"
BASE_URL: Final = "https://testserver"
SAME_ORIGIN: Final = {"Sec-Fetch-Site": "same-origin"}


@dataclass(slots=True)
class Visitor:
    """Sends requests with the session of one user."""

    client: httpx2.AsyncClient
    secret: UserSecret
    language: str = "vi"

    def headers(self, **more: str) -> dict[str, str]:
        """The cookies of the session and of the language."""
        cookie = f"{COOKIE}={self.secret.text}; __Host-lang={self.language}"
        return {"Cookie": cookie} | {name.replace("_", "-"): value for name, value in more.items()}

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        """GET a page."""
        return await self.client.get(f"{BASE_URL}{path}", headers=self.headers(**headers))

    async def post(self, path: str, **fields: str | list[str]) -> httpx2.Response:
        """POST a form of this session from one of our own pages."""
        data = {"form_token": self.secret.form_token} | fields
        headers = self.headers() | SAME_ORIGIN
        return await self.client.post(f"{BASE_URL}{path}", data=data, headers=headers)


async def store_user(
    redis: RedisClient, role: Role, *, name: str = "", shops: Shops = ALL_SHOPS, password: str = ""
) -> User:
    """Store a user with this role, by default with the name of the role."""
    orgs = None if shops is None else tuple(sorted(shops))
    name = name or str(role)
    user = User(name, f"{name}@example.com", role, 1, "test", orgs, password)
    await users.change(redis, lambda _: {name: user})
    return user


async def visit_as(
    client: httpx2.AsyncClient,
    redis: RedisClient,
    role: Role,
    *,
    name: str = "",
    shops: Shops = ALL_SHOPS,
    password: str = "",
    by_link: bool = False,
) -> Visitor:
    """A visitor with a new session."""
    user = await store_user(redis, role, name=name, shops=shops, password=password)
    seconds, _ = await redis.time()
    secret = create_secret(user.name, random=f"{user.name}{by_link}".encode().ljust(32, b".")[:32])
    await sessions.add(redis, secret, Session(int(seconds) * 1000, "Firefox/146 Windows", by_link))
    return Visitor(client, secret)


def heading(response: httpx2.Response) -> str:
    """The text of the one heading of a page."""
    [text] = re.findall(r"<h1>(.*?)</h1>", response.text)
    return str(text)


def location(response: httpx2.Response) -> str:
    """Where a redirect leads."""
    return response.headers["location"].removeprefix(BASE_URL)
