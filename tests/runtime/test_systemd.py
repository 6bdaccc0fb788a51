"""systemd is told that a process is ready, and that its event loop turns."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.runtime.systemd import keep_watchdog, notify_systemd


@pytest.fixture
def messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A socket as systemd has it."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(path)
        receiver.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        yield receiver


def test_a_state_reaches_systemd(messages: socket.socket) -> None:
    notify_systemd("READY=1")

    assert messages.recv(100) == b"READY=1"


def test_an_abstract_address_works_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0tagger-test-{os.getpid()}")
        receiver.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@tagger-test-{os.getpid()}")

        notify_systemd("STOPPING=1")

        assert receiver.recv(100) == b"STOPPING=1"


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "not an address"])
def test_without_systemd_nothing_happens(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)

    notify_systemd("READY=1")


async def test_the_watchdog_is_told_while_the_event_loop_turns(
    messages: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    task = asyncio.create_task(keep_watchdog())

    try:
        assert await asyncio.to_thread(messages.recv, 100) == b"WATCHDOG=1"
        assert not task.done()
    finally:
        task.cancel()


@pytest.mark.parametrize(
    "variables", [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "9000000", "WATCHDOG_PID": "1"}]
)
async def test_without_a_watchdog_of_this_process_nobody_waits(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    await asyncio.wait_for(keep_watchdog(), 5)
