"""Delivers signed webhooks, as Haravan does."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from dataclasses import dataclass
from typing import Final

import httpx2

from tests.support.shop import APP_SECRET, ORG

PATH: Final = "/webhooks/haravan"


def signature(body: bytes, secret: str = APP_SECRET) -> str:
    """The value of `X-Haravan-HmacSha256`."""
    return b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


@dataclass
class Sender:
    """Sends webhooks through a client of the web application."""

    client: httpx2.AsyncClient

    async def deliver(
        self,
        body: bytes,
        *,
        topic: str | None = "customers/update",
        org: str | None = ORG,
        secret: str = APP_SECRET,
        **headers: str | None,
    ) -> httpx2.Response:
        """POST a signed body. A header that is None is left out."""
        all_headers: dict[str, str | None] = {
            "X-Haravan-Topic": topic,
            "X-Haravan-Org-Id": org,
            "X-Haravan-HmacSha256": signature(body, secret),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        present = {name: value for name, value in all_headers.items() if value is not None}
        return await self.client.post(PATH, content=body, headers=present)
