"""The subscription of a shop to our app's webhooks. Its requests do not count against the API rate limit."""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp
import msgspec

from service.errors import RequestRejected
from service.sentence import Sentence
from workers.haravan.calls import Request, Response
from workers.haravan.client import CALL_TIMEOUT_S, send
from workers.haravan.errors import parse_response, response_text


@dataclass(frozen=True, slots=True)
class SubscribedEvent:
    """One event that Haravan delivers to a URL. Both are set in the partner dashboard."""

    id: str
    event: str
    url: str


class Subscription:
    """GET, POST and DELETE of the subscribe address, with the token of one shop (scope `wh_api`).

    Raises HaravanError: a 200 that says `"error": true` is a RequestRejected.
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

    async def list_events(self) -> tuple[SubscribedEvent, ...]:
        """The subscribed events; none if Haravan has dropped the subscription."""
        return parse_events(await self._send(Request("GET subscribe", "")))

    async def subscribe(self) -> None:
        """Subscribe. Must be repeated after every re-install of the app."""
        await self._send(Request("POST subscribe", "", json={}))

    async def unsubscribe(self) -> None:
        """Unsubscribe."""
        await self._send(Request("DELETE subscribe", ""))

    async def _send(self, request: Request) -> object:
        response = await send(
            self._session, request, address=self._address, headers=self._headers, timeout=self._timeout
        )
        return parse_body(request, response)


def parse_body(request: Request, response: Response) -> object:
    """The decoded body. Raises RequestRejected for a 200 whose body reports an error."""
    content: object = parse_response(request, response, _decode)
    if isinstance(content, dict) and content.get("error"):
        raise RequestRejected(
            Sentence(
                "{endpoint} answered {status} and reported an error",
                endpoint=request.endpoint,
                status=response.status,
            ),
            status=response.status,
            response_text=response_text(request, response),
        )
    return content


def parse_events(content: object) -> tuple[SubscribedEvent, ...]:
    """The list of events, bare or under any key. Elements without an event name are skipped."""
    if isinstance(content, dict):
        content = next((value for value in content.values() if isinstance(value, list)), [])
    entries = content if isinstance(content, list) else []
    return tuple(_entry(entry) for entry in entries if isinstance(entry, dict) and entry.get("event"))


def _entry(entry: dict[str, object]) -> SubscribedEvent:
    return SubscribedEvent(
        id=str(entry.get("id", "")), event=str(entry["event"]), url=str(entry.get("url") or "")
    )


def _decode(body: bytes) -> object:
    return msgspec.json.decode(body) if body.strip() else None
