"""The subscription of a shop to our app's webhooks; not counted against the shop's API bucket."""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp
import msgspec

from service.errors import Rejected
from workers.haravan.client import CALL_TIMEOUT_S
from workers.haravan.complaint import complaint
from workers.haravan.requests import Request, Response
from workers.haravan.responses import understood
from workers.haravan.session import exchange


@dataclass(frozen=True, slots=True)
class Subscribed:
    """One event that Haravan delivers to a URL; both are chosen in the partner dashboard."""

    id: str
    event: str
    url: str


class Subscription:
    """GET, POST and DELETE of the subscribe address, with the token of one shop (scope `wh_api`).

    Raises HaravanError: a 200 that says `"error": true` is Rejected.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        address: str,
        token: str,
        call_timeout_s: float = CALL_TIMEOUT_S,
    ) -> None:
        self._session = session
        self._address = address
        self._headers = {"Authorization": f"Bearer {token}"}
        self._timeout = aiohttp.ClientTimeout(total=call_timeout_s)

    async def show(self) -> tuple[Subscribed, ...]:
        """What the shop is subscribed to; nothing when Haravan dropped the subscription."""
        return subscribed(await self._ask(Request("GET subscribe", "")))

    async def add(self) -> None:
        """Subscribe; again after every re-install of the app."""
        await self._ask(Request("POST subscribe", "", json={}))

    async def remove(self) -> None:
        """Unsubscribe."""
        await self._ask(Request("DELETE subscribe", ""))

    async def _ask(self, request: Request) -> object:
        response = await exchange(
            self._session, request, address=self._address, headers=self._headers, timeout=self._timeout
        )
        return granted(request, response)


def granted(request: Request, response: Response) -> object:
    """The body of an answer that is good in status and in word."""
    content: object = understood(request, response, _decoded)
    if isinstance(content, dict) and content.get("error"):
        said = complaint(request, response)
        raise Rejected(f"{request.endpoint} was refused: {said}", status=response.status)
    return content


def subscribed(content: object) -> tuple[Subscribed, ...]:
    """The list, bare or under any key; what is not an entry of it is passed over."""
    if isinstance(content, dict):
        content = next((value for value in content.values() if isinstance(value, list)), [])
    entries = content if isinstance(content, list) else []
    return tuple(_entry(entry) for entry in entries if isinstance(entry, dict) and entry.get("event"))


def _entry(entry: dict[str, object]) -> Subscribed:
    return Subscribed(id=str(entry.get("id", "")), event=str(entry["event"]), url=str(entry.get("url") or ""))


def _decoded(body: bytes) -> object:
    return msgspec.json.decode(body) if body.strip() else None
