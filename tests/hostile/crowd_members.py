"""The hostile members of a crowd: customers in twenty ways, and one shop."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import aiohttp

from deploy.sandbox import ShopHandle, sign
from service.runtime import cancel_and_wait
from tests.hostile.api_rows import BROKEN, FIELDS, MARKS, record_bytes
from tests.hostile.odd_api import FOREVER, Answer, Endpoint, OddApi

KILLS_ITS_READER: Final = "a record that kills the process that reads it"
ODD_WEBHOOKS: Final = "odd webhooks, ten a second"
TOKEN_LIFE_S: Final = 5.0
FIRST_FLOODED_ID: Final = 5_000_000_000
MAX_FLOOD_REQUESTS: Final = 50  # at the same time
REJECTION: Final = '{"errors": {"base": ["Nguyễn Thị Ánh, 12 Lý Thường Kiệt"]}}'.encode()
TRICKLE: Final = Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n{", trickle=True)

# the record, in lists and alone
RECORDS: Final[Mapping[str, bytes]] = {
    **{
        f"a record {name}": FIELDS[name][0]
        for name in (
            "with a name of 60,000 marks", "with a tag of 60,000 marks", "with 5,000 tags", "with half a character",
            "with money 1e1000000", "with NaN money", "with a birthday that is none", "of somebody else",
        )
    },
    "a record that is null": b"null",
    "a record of 9 MiB": record_bytes(note="x" * 9 * 2**20),
}  # fmt: skip

# every answer of an endpoint that concerns the customer
ANSWERS: Final[Mapping[str, tuple[Endpoint, Answer]]] = {
    "its tags are refused: 422": ("add", Answer(REJECTION, 422)),
    "its tags are refused: 403": ("add", Answer(b"{}", 403)),
    "its tags are written, but the answer names the old ones": ("add", Answer('{"tags": "Khách sỉ"}'.encode(), effect=True)),
    "its tags are answered with HTML": ("add", BROKEN["HTML with 200"]),
    "its record is denied: 403": ("get", Answer(b"{}", 403)),
    "its record is gone: 404": ("get", Answer(b"{}", 404)),
    "its record is a gzip bomb": ("get", BROKEN["a gzip bomb"]),
    "its record never ends": ("get", TRICKLE),
}  # fmt: skip

WAYS: Final = (*RECORDS, *ANSWERS, ODD_WEBHOOKS, KILLS_ITS_READER)
ODD_BODIES: Final = (
    b'{"id": {V}, "first_name": "%s"}' % MARKS.encode(),
    b'{"id": {V}, "total_spent": "1e1000000"}',
    b'{"id": {V}, "note": "\\ud800", "gender": NaN}',
    b'{"id": {V}, "tags": %s1%s}' % (b"[" * 50_000, b"]" * 50_000),
    b"[" * 100_000,
    b'{"id": %s}' % (b"9" * 5_000),
)


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends bodies, signed as a shop's webhooks are, to the web process at `url`."""

    session: aiohttp.ClientSession
    url: str

    async def send(self, shop: ShopHandle, body: bytes, *, signature: str | None = None) -> None:
        """One webhook. What is answered concerns nobody here."""
        headers = {
            "X-Haravan-Topic": "customers/update",
            "X-Haravan-Org-Id": shop.org,
            "X-Haravan-HmacSha256": signature or sign(body, shop.secret),
        }
        with suppress(aiohttp.ClientError, TimeoutError):
            async with self.session.post(self.url, data=body, headers=headers) as answer:
                await answer.read()


def spoil(api: OddApi, victims: Mapping[str, int], neighbour: int) -> None:
    """Make the records and answers of these customers odd. `victims`: the customer of each way."""
    for way, victim in victims.items():
        if way in RECORDS:
            record = RECORDS[way].replace(b"{V}", b"%d" % victim)
            api.records[victim] = record.replace(b"{N}", b"%d" % neighbour)
        elif way in ANSWERS:
            endpoint, answer = ANSWERS[way]
            api.answer(endpoint, victim, neighbour, answer, FOREVER)


@asynccontextmanager
async def attack(
    url: str, crowd: ShopHandle, hostile: ShopHandle, victim: int | None, *, flood_per_s: float
) -> AsyncIterator[None]:
    """Inside this block, the hostile shop and, if not None, the customer `victim` of `crowd` send what they can."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        sender = Sender(session, url)
        coroutines = [_flood(sender, hostile, flood_per_s), _lose_token(hostile)]
        if victim is not None:
            coroutines.append(_send_odd_bodies(sender, crowd, victim))
        tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
        _spoil_api(hostile)
        try:
            yield
        finally:
            for task in tasks:
                await cancel_and_wait(task)


def _spoil_api(hostile: ShopHandle) -> None:
    """Refusals, silence and 429 for the shop's own calls, and other apps that spend its call limit."""
    hostile.faults.fail(403, rate=0.2)
    hostile.faults.timeout(rate=0.05)
    hostile.faults.throttle(rate=0.05)
    hostile.consume_quota(1_000)


async def _lose_token(hostile: ShopHandle) -> None:
    await asyncio.sleep(TOKEN_LIFE_S)
    hostile.replace_token(None)


async def _flood(sender: Sender, hostile: ShopHandle, per_s: float) -> None:
    """New customers, until the shop is over its quota and beyond. Every fourth signature is wrong.

    On a machine that answers slowly it waits for answers: webhooks that pile up in this process would stop the crowd.
    """
    places = asyncio.Semaphore(MAX_FLOOD_REQUESTS)

    async def send(number: int) -> None:
        body = b'{"id": %d}' % (FIRST_FLOODED_ID + number)
        await sender.send(hostile, body, signature="A" * 43 + "=" if number % 4 == 3 else None)
        places.release()

    async with asyncio.TaskGroup() as group:
        for number in itertools.count():
            await places.acquire()
            group.create_task(send(number))
            await asyncio.sleep(1 / per_s)


async def _send_odd_bodies(sender: Sender, shop: ShopHandle, victim: int) -> None:
    for body in itertools.cycle(ODD_BODIES):
        await sender.send(shop, body.replace(b"{V}", b"%d" % victim))
        await asyncio.sleep(0.1)
