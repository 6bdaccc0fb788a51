"""The primary if the sentinels disagree."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from service.store.client.queue_pool import sentinel_options
from service.store.servers.address import parse_address
from service.store.servers.discovery import PrimaryNotFound, find_primary
from service.store.servers.server import Server
from tests.support.ports import free_port
from tests.support.scripted_server import array, bulk, scripted_server
from tests.support.tls import certificate

OLD, NEW = 1111, 2222


@asynccontextmanager
async def sentinel(
    *, names: int, epoch: int, flags: str = "master", tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """A sentinel that names this port as the primary's; gives its own."""
    said = {
        "name": "mymaster",
        "ip": "127.0.0.1",
        "port": names,
        "flags": flags,
        "num-other-sentinels": 2,
        "config-epoch": epoch,
    }
    words = [str(word).encode() for pair in said.items() for word in pair]
    masters = b"*1\r\n*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(one), one) for one in words)

    served: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.add(cast("asyncio.Task[None]", asyncio.current_task()))
        while head := await reader.readline():
            asked = [(await reader.readline(), await reader.readline())[1] for _ in range(int(head[1:]))]
            writer.write(masters if asked[0] == b"SENTINEL\r\n" else b"+OK\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]
    if served:
        await asyncio.wait(served)  # their clients have closed the connections


async def named(*ports: int, scheme: str = "redis+sentinel", query: str = "") -> int:
    """The primary's port, as a client of these sentinels finds it."""
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    address = parse_address(f"{scheme}://{hosts}/mymaster{query}")
    sentinels = [Server(endpoint, sentinel_options(address)) for endpoint in address.endpoints]
    try:
        return (await find_primary(sentinels, "mymaster")).port
    finally:
        for each in sentinels:
            await each.close()


async def test_the_newest_configuration_counts_in_any_order_of_the_sentinels() -> None:
    async with AsyncExitStack() as stack:
        late = [await stack.enter_async_context(sentinel(names=OLD, epoch=3)) for _ in range(2)]
        knows = await stack.enter_async_context(sentinel(names=NEW, epoch=4))

        assert await named(*late, knows) == NEW
        assert await named(knows, *late) == NEW


async def test_the_old_primary_is_not_used_while_the_new_one_is_down() -> None:
    async with (
        sentinel(names=OLD, epoch=3) as late,
        sentinel(names=NEW, epoch=4, flags="master,s_down") as knows,
    ):
        with pytest.raises(PrimaryNotFound):
            await named(late, knows)


async def test_unreachable_sentinels_are_not_waited_for() -> None:
    async with sentinel(names=NEW, epoch=4) as knows:
        assert await named(free_port(), knows, free_port()) == NEW


async def test_sentinels_are_spoken_to_with_tls(tmp_path: Path) -> None:
    context, query = certificate(tmp_path, "127.0.0.1")

    async with sentinel(names=NEW, epoch=4, tls=context) as port:
        assert await named(port, scheme="rediss+sentinel", query=query) == NEW


async def test_a_sentinel_with_the_certificate_of_another_name_is_not_believed(tmp_path: Path) -> None:
    context, query = certificate(tmp_path, "127.0.0.2")

    async with sentinel(names=NEW, epoch=4, tls=context) as port:
        with pytest.raises(PrimaryNotFound):
            await named(port, scheme="rediss+sentinel", query=query)


async def test_a_sentinel_without_tls_is_not_believed() -> None:
    async with sentinel(names=NEW, epoch=4) as port:
        with pytest.raises(PrimaryNotFound):
            await named(port, scheme="rediss+sentinel")


@pytest.mark.parametrize(
    "reply",
    [
        b"+OK\r\n",
        b":1\r\n",
        b"*-1\r\n",
        array([array([bulk("name")])]),
        array([array([bulk("name"), bulk("mymaster")])]),
        array([array([bulk(b"\xff"), bulk("x")])]),
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ],
)
async def test_a_sentinel_that_talks_nonsense_is_passed_over(reply: bytes) -> None:
    async with sentinel(names=NEW, epoch=4) as knows, scripted_server(lambda _: reply) as odd:
        assert await named(odd.port, knows) == NEW


async def test_the_error_has_the_answer_of_each_sentinel() -> None:
    async with (
        scripted_server(lambda _: b"-NOAUTH Authentication required.\r\n") as locked,
        sentinel(names=OLD, epoch=4, flags="master,o_down") as knows,
    ):
        with pytest.raises(PrimaryNotFound, match=r"Authentication required.*the primary is down"):
            await named(locked.port, knows)


async def test_without_a_reachable_sentinel_there_is_no_primary() -> None:
    with pytest.raises(PrimaryNotFound):
        await named(free_port())
