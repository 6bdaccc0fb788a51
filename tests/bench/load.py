"""A load generator that is not the bottleneck: webhooks signed beforehand, raw HTTP/1.1 over open connections."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from time import perf_counter
from typing import Any

ORG = "1000000001"
SECRET = "a-bench-secret"
WARM_UP = 2_000
FIRST_CUSTOMER = 1_000_000_000


def requests(
    count: int, *, customers: int = 10_000, start: int = 0, orgs: Sequence[str] = (ORG,)
) -> Iterator[bytes]:
    """Webhooks as bytes, about 1.4 KB of body each, every one a different delivery. The shops take turns.

    The customers of each shop have the numbers from `FIRST_CUSTOMER` on.
    """
    for number in range(start, start + count):
        body = json.dumps(_customer(number, number // len(orgs) % customers), ensure_ascii=False).encode()
        signature = b64encode(hmac.digest(SECRET.encode(), body, hashlib.sha256)).decode()
        yield (
            "POST /webhooks/haravan HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"X-Haravan-Topic: customers/update\r\nX-Haravan-Org-Id: {orgs[number % len(orgs)]}\r\n"
            f"X-Haravan-HmacSha256: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body


def _customer(number: int, customer: int) -> dict[str, Any]:
    address = {
        "address1": "12 Nguyễn Huệ, phường Bến Nghé, quận 1",
        "province": "Hồ Chí Minh",
        "province_code": "HC",
        "district": "Quận 1",
        "ward": "Phường Bến Nghé",
        "country": "Vietnam",
        "phone": "0900000001",
    }
    return {
        "id": FIRST_CUSTOMER + customer,
        "email": f"khach{number}@example.com",
        "phone": "0900000001",
        "first_name": "Nguyễn Thị",
        "last_name": "Ánh",
        "tags": "Khách VIP,Hồ Chí Minh,Bán sỉ",
        "total_spent": 261_380_000.0 + number,
        "orders_count": number % 50,
        "created_at": "2024-01-02T03:04:05.1234567Z",
        "updated_at": "2026-01-02T03:04:05.1234567Z",
        "last_order_date": "2026-01-02T03:04:05.123Z",
        "last_order_id": 1_234_567_890 + number,
        "last_order_name": f"#{number}",
        "birthday": "1990-01-02T00:00:00Z",
        "gender": 0,
        "state": "Disabled",
        "accepts_marketing": True,
        "verified_email": True,
        "group_name": "Khách lẻ",
        "note": "Giao giờ hành chính, gọi trước khi giao. " * 3,
        "default_address": address,
        "addresses": [address],
        "multipass_identifier": None,
        "total_paid": 0.0,
    }


@dataclass
class Run:
    """The result of a run of requests."""

    durations_s: list[float] = field(default_factory=list)
    errors: int = 0  # answers other than 200
    span_s: float = 0.0

    @property
    def per_s(self) -> float:
        return len(self.durations_s) / self.span_s


class _Sender(asyncio.Protocol):
    """One connection of a closed loop: it sends the next request when the last is answered."""

    def __init__(self, source: Iterator[bytes], run: Run) -> None:
        self._source = source
        self._run = run
        self._sent = 0.0
        self._received = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport  # that of uvloop is no asyncio.Transport
        self.next()

    def next(self) -> None:
        request = next(self._source, None)
        if request is None:
            self._transport.close()
            self.done.set_result(None)
            return
        self._sent = perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        if not is_complete(received):
            self._received = received
            return
        self._received = b""
        self._run.durations_s.append(perf_counter() - self._sent)
        if received[9:12] != b"200":
            self._run.errors += 1
        self.next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))


@lru_cache(maxsize=64)  # the answers of a run are equal
def is_complete(answer: bytes) -> bool:
    """Whether head and body of an answer are complete."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return False
    at = answer.lower().find(b"content-length:", 0, end)
    length = int(answer[at + 15 : answer.find(b"\r\n", at)])
    return len(answer) >= end + 4 + length


async def closed_loop(port: int, ready: list[bytes], *, connections: int = 32) -> Run:
    """Send everything as fast as the answers come."""
    loop = asyncio.get_running_loop()
    run = Run()
    source = iter(ready)
    started = perf_counter()
    connections_made = [
        await loop.create_connection(lambda: _Sender(source, run), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(sender.done for _, sender in connections_made))
    run.span_s = perf_counter() - started
    return run


class _Open(asyncio.Protocol):
    """One connection of an open loop: it returns to the idle ones with the answer."""

    def __init__(self, idle: asyncio.Queue[_Open], run: Run) -> None:
        self._idle = idle
        self._run = run
        self._due = 0.0
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._idle.put_nowait(self)

    def send(self, request: bytes, due: float) -> None:
        self._due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if is_complete(self._received):
            self._run.durations_s.append(perf_counter() - self._due)
            self._run.errors += self._received[9:12] != b"200"
            self._received = b""
            self._idle.put_nowait(self)


async def open_loop(port: int, ready: list[bytes], *, per_s: int, connections: int = 64) -> Run:
    """Send at a fixed pace, however fast the answers come. A duration counts from when its request was due."""
    loop = asyncio.get_running_loop()
    run = Run()
    idle: asyncio.Queue[_Open] = asyncio.Queue()
    for _ in range(connections):
        await loop.create_connection(lambda: _Open(idle, run), "127.0.0.1", port)
    started = perf_counter()
    for number, request in enumerate(ready):
        due = started + number / per_s
        if (early := due - perf_counter()) > 0:
            await asyncio.sleep(early)
        (await idle.get()).send(request, due)
    for _ in range(connections):
        await idle.get()  # wait for the last answers
    run.span_s = perf_counter() - started
    return run
