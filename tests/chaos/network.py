"""Where the processes of a chaos run are: all on loopback, or on hosts of their own.

A host is a network namespace of this machine, with an address of its own on a bridge. It is cut off by taking its link
down, and two hosts lose each other when the bridge passes nothing between their links. This needs root and `ip`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from tests.support.wait import LOOPBACK

HOSTS: Final = 3
BRIDGE: Final = "chaosbr"
SUBNET: Final = "10.213.77"


class Network:
    """Everything on loopback."""

    hosts = 0
    gateway: str = LOOPBACK  # the address of what is on no host: the sandbox

    def address(self, number: int) -> str:
        """The address of the host of the process with this number."""
        del number
        return LOOPBACK

    def prefix(self, number: int) -> Sequence[str]:
        """What a command begins with on that host."""
        del number
        return ()


class Hosts(Network):
    """Network namespaces that see each other and this one."""

    hosts = HOSTS
    gateway = f"{SUBNET}.1"

    def address(self, number: int) -> str:
        return f"{SUBNET}.{11 + number % HOSTS}"

    def prefix(self, number: int) -> Sequence[str]:
        return ("ip", "netns", "exec", _name(number % HOSTS))

    def create(self) -> None:
        """Create the hosts. What an interrupted run left is removed."""
        self.remove()
        _ip("link", "add", BRIDGE, "type", "bridge")
        _ip("address", "add", f"{self.gateway}/24", "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")
        for number in range(HOSTS):
            name, inner = _name(number), f"{_name(number)}i"
            _ip("netns", "add", name)
            _ip("link", "add", name, "type", "veth", "peer", "name", inner)
            _ip("link", "set", inner, "netns", name)
            _ip("link", "set", name, "master", BRIDGE)
            _ip("link", "set", name, "up")
            _ip("-n", name, "address", "add", f"{self.address(number)}/24", "dev", inner)
            _ip("-n", name, "link", "set", inner, "up")
            _ip("-n", name, "link", "set", "lo", "up")

    def remove(self) -> None:
        """Remove the hosts that there are."""
        for number in range(HOSTS):
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "delete", _name(number))
        with suppress(subprocess.CalledProcessError):
            _ip("link", "delete", BRIDGE)

    def cut(self, number: int) -> None:
        """Nothing reaches this host, and nothing leaves it."""
        _ip("link", "set", _name(number), "down")

    def separate(self, *numbers: int) -> None:
        """Nothing passes between these hosts. All others still reach them."""
        for number in numbers:
            _ip("link", "set", _name(number), "type", "bridge_slave", "isolated", "on")

    def join(self) -> None:
        """Everything passes again."""
        for number in range(HOSTS):
            _ip("link", "set", _name(number), "up")
            _ip("link", "set", _name(number), "type", "bridge_slave", "isolated", "off")


def unavailable_reason() -> str:
    """Why there can be no hosts on this machine; empty if there can."""
    if not sys.platform.startswith("linux") or shutil.which("ip") is None:
        return "network namespaces need Linux and the command ip (iproute2)"
    if os.geteuid() != 0:
        return "network namespaces need root"
    probe = Hosts()
    try:
        probe.create()
    except subprocess.CalledProcessError as exc:
        return f"this machine allows no network namespaces: {exc.stderr.strip()}"
    finally:
        probe.remove()
    return ""


@contextmanager
def hosts() -> Iterator[Hosts]:
    """The hosts, until the end of the block."""
    network = Hosts()
    try:
        network.create()
        yield network
    finally:
        network.remove()


def _name(number: int) -> str:
    return f"chaos{number}"


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)  # noqa: S603, S607
