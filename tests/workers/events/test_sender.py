"""Requests to endpoints: where they may go, and what comes of them."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.support.ports import free_port
from tests.support.receiver import Receiver, receiving
from workers.events import open_sender

LOOPBACK = ("127.0.0.0/8",)


class NameServer(AbstractResolver):
    """Answers each question with the next addresses; the last ones stay."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not answer:
            raise OSError("no such name")
        return [
            ResolveResult(
                hostname=host, host=ip, port=port, family=socket.AF_INET, proto=0, flags=socket.AI_NUMERICHOST
            )
            for ip in answer
        ]

    async def close(self) -> None:
        pass


def by_name(receiver: Receiver) -> str:
    return f"http://hooks.example.com:{urlsplit(receiver.url).port}/hook"


async def test_an_event_is_posted_with_its_headers() -> None:
    async with receiving() as receiver, open_sender(LOOPBACK) as sender:
        answer = await sender.send(receiver.url, {"webhook-id": "tag_1_2-3"}, b'{"type":"x"}')

        [(headers, body)] = receiver.received
        assert answer.status == 200
        assert (headers["webhook-id"], headers["user-agent"]) == ("tag_1_2-3", "haravan-tagger")
        assert body == b'{"type":"x"}'


@pytest.mark.parametrize("addresses", [("127.0.0.1",), ("8.8.8.8", "127.0.0.1"), ("169.254.169.254",)])
async def test_a_name_with_a_private_address_is_not_called(addresses: tuple[str, ...]) -> None:
    async with receiving() as receiver, open_sender((), resolver=NameServer(addresses)) as sender:
        answer = await sender.send(by_name(receiver).replace("http:", "https:"), {}, b"")

        assert (answer.status, "private network" in answer.text) == (None, True)
        assert receiver.received == []


async def test_a_name_that_is_rebound_after_its_check_is_checked_again() -> None:
    names = NameServer(("127.0.0.1",), ("10.0.0.1",))
    async with receiving() as receiver, open_sender(LOOPBACK, resolver=names) as sender:
        first = await sender.send(by_name(receiver), {}, b"")
        second = await sender.send(by_name(receiver), {}, b"")

        assert (first.status, second.status, names.asked) == (200, None, 2)
        assert (
            len(receiver.received) == 1
        )  # one question for each request, and the answer is what is connected to


async def test_plain_http_goes_to_allowed_networks_only() -> None:
    async with receiving() as receiver, open_sender(LOOPBACK, resolver=NameServer(("8.8.8.8",))) as sender:
        answer = await sender.send(by_name(receiver), {}, b"")

        assert (answer.status, "private network" in answer.text) == (None, True)


async def test_a_redirect_is_a_failure_and_is_not_followed() -> None:
    async with receiving() as target, receiving() as receiver, open_sender(LOOPBACK) as sender:
        receiver.statuses, receiver.headers = [307], {"Location": target.url}

        answer = await sender.send(receiver.url, {}, b"")

        assert (answer.status, target.received) == (307, [])


async def test_the_wait_that_a_receiver_asks_for_is_read() -> None:
    async with receiving() as receiver, open_sender(LOOPBACK) as sender:
        receiver.statuses, receiver.headers = [503, 503], {"Retry-After": "120"}
        seconds = await sender.send(receiver.url, {}, b"")
        receiver.headers = {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}
        date = await sender.send(receiver.url, {}, b"")

        assert (seconds.retry_after_s, date.retry_after_s) == (120, 0)


async def test_what_goes_wrong_is_said_without_the_address() -> None:
    async with open_sender(LOOPBACK) as sender:
        refused = await sender.send(f"http://127.0.0.1:{free_port()}/secret-path", {}, b"")
    async with open_sender((), resolver=NameServer(())) as sender:
        unknown = await sender.send("https://secret-name.example.com/", {}, b"")
        literal = await sender.send("https://10.0.0.1/", {}, b"")

    assert (refused.status, "no connection" in refused.text) == (None, True)
    assert unknown.text == "its name does not resolve"
    assert "private network" in literal.text
    assert not [each for each in (refused, unknown, literal) if "secret" in each.text]
