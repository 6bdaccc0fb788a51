"""A Haravan that answers oddly: a proxy before the sandbox, which gives some calls another answer, byte for byte."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from typing import Final, Literal

import aiohttp
import msgspec

Endpoint = Literal["list", "get", "count", "add", "remove", "update"]
FOREVER: Final = 10_000
TRICKLE_S: Final = 0.05
_IDS: Final = re.compile(r"ids=([^&]*)")
_ENDPOINTS: Final[tuple[tuple[Endpoint, str, re.Pattern[str]], ...]] = (
    ("list", "GET", re.compile(r"/\w+/customers\.json\?.*ids=")),
    ("get", "GET", re.compile(r"/\w+/customers/\d+\.json")),
    ("count", "GET", re.compile(r"/\w+/customers/count\.json")),
    ("add", "POST", re.compile(r"/\w+/customers/\d+/tags\.json")),
    ("remove", "DELETE", re.compile(r"/\w+/customers/\d+/tags\.json")),
    ("update", "PUT", re.compile(r"/\w+/customers/\d+\.json")),
)


class _Id(msgspec.Struct):
    id: int


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. In `body`, `{V}` stands for the customer's id, `{N}` for another one's, `{GOOD}` for the right body.

    `raw` replaces all of it. `sends` is the number of bytes of the body that are sent before the connection closes.
    `effect`: the call takes effect at Haravan. `trickle`: one byte every 50 ms, for ever.
    """

    body: bytes = b"{GOOD}"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    raw: bytes | None = None
    encode: Callable[[bytes], bytes] = bytes
    sends: int | None = None
    effect: bool = False
    trickle: bool = False

    def content(self, victim: int, neighbour: int, good: bytes) -> bytes:
        """The whole answer as it goes over the wire."""
        if self.raw is not None:
            return self.raw
        body = self.body.replace(b"{GOOD}", good)
        body = body.replace(b"{V}", b"%d" % victim).replace(b"{N}", b"%d" % neighbour)
        body = self.encode(body)
        names = {name.lower() for name, _ in self.headers}
        lines = [f"HTTP/1.1 {self.status:03d} X", *(f"{name}: {value}" for name, value in self.headers)]
        if "content-type" not in names:
            lines.append("Content-Type: application/json; charset=utf-8")
        if not names & {"content-length", "transfer-encoding"} and self.status not in (204, 304):
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join([*lines, "Connection: close"]).encode("latin-1") + b"\r\n\r\n"
        return head + body[: self.sends]


@dataclass(slots=True)
class Oddity:
    """The answer to the next `left` calls of an endpoint that name the customer `victim`."""

    endpoint: Endpoint
    victim: int
    neighbour: int
    answer: Answer
    left: int


@dataclass(slots=True)
class OddApi:
    """The proxy. A customer whose single read is odd is not in lists meanwhile, so that it is read alone.

    In every answer to a read, the record of a customer in `records` is replaced by these bytes.
    """

    sandbox_url: str
    session: aiohttp.ClientSession
    url: str = ""
    oddities: list[Oddity] = field(default_factory=list)
    records: dict[int, bytes] = field(default_factory=dict)
    _open: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)

    def answer(self, endpoint: Endpoint, victim: int, neighbour: int, answer: Answer, times: int) -> None:
        """Answer the next calls so."""
        self.oddities.append(Oddity(endpoint, victim, neighbour, answer, times))

    def _oddity(self, method: str, target: str) -> Oddity | None:
        endpoint = next(
            (name for name, verb, path in _ENDPOINTS if verb == method and path.match(target)), None
        )
        for oddity in self.oddities:
            named = endpoint == "count" or str(oddity.victim) in target
            if oddity.left > 0 and oddity.endpoint == endpoint and named:
                oddity.left -= 1
                return oddity
        return None

    def _without_hidden(self, target: str) -> str:
        hidden = {str(odd.victim) for odd in self.oddities if odd.endpoint == "get" and odd.left > 0}
        match = _IDS.search(target)
        if match is None or not hidden:
            return target
        ids = [number for number in match[1].replace("%2C", ",").split(",") if number not in hidden]
        return target.replace(match[0], "ids=" + ",".join(ids or ["1"]))

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection until either side closes it."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._open[task] = writer
        task.add_done_callback(self._open.pop)

    async def close(self) -> None:
        """Break the connections that are open, and wait until none is served."""
        serving = dict(self._open)
        for writer in serving.values():
            writer.transport.abort()
        await asyncio.gather(*serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(OSError, asyncio.IncompleteReadError, aiohttp.ClientConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                method, target, _ = head.split(" ", 2)
                headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
                body = await reader.readexactly(int(headers.get("Content-Length", "0")))
                oddity = self._oddity(method, target)
                good = b""
                if oddity is None or method == "GET" or oddity.answer.effect:
                    status, good = await self._forward(method, self._without_hidden(target), headers, body)
                if (
                    writer.is_closing()
                ):  # the client gave up meanwhile; uvloop raises if one writes nevertheless
                    break
                if oddity is None:
                    answer = Answer(good, status).content(0, 0, b"")
                    writer.write(answer.replace(b"Connection: close\r\n", b"", 1))
                    continue
                await _send(
                    writer, oddity.answer, oddity.answer.content(oddity.victim, oddity.neighbour, good)
                )
                break

    async def _forward(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, bytes]:
        sent = {"Authorization": headers["Authorization"]}
        async with self.session.request(
            method, self.sandbox_url + target, data=body or None, headers=sent
        ) as response:
            answer = await response.read()
        return response.status, self._with_odd_records(answer) if method == "GET" else answer

    def _with_odd_records(self, answer: bytes) -> bytes:
        known = [number for number in self.records if b'"id":%d,' % number in answer]
        if not known:
            return answer
        envelope = msgspec.json.decode(answer, type=dict[str, msgspec.Raw])
        if "customer" in envelope:
            return msgspec.json.encode({"customer": msgspec.Raw(self.records[known[0]])})
        listed = msgspec.json.decode(envelope["customers"], type=list[msgspec.Raw])
        odd = [self.records.get(msgspec.json.decode(record, type=_Id).id, record) for record in listed]
        return msgspec.json.encode({"customers": [msgspec.Raw(record) for record in odd]})


async def _send(writer: asyncio.StreamWriter, answer: Answer, content: bytes) -> None:
    if not answer.trickle:
        writer.write(content)
        await writer.drain()
        return
    writer.write(content)
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(TRICKLE_S)


@asynccontextmanager
async def odd_api(sandbox_url: str) -> AsyncIterator[OddApi]:
    """The proxy on a free port."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        api = OddApi(sandbox_url, session)
        server = await asyncio.start_server(api.accept, "127.0.0.1", 0, limit=1_000_000)
        api.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield api
        finally:
            server.close()
            await api.close()
