"""Ports for processes that must be told theirs. Whoever can listen on port 0, or on a Unix socket, should."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from random import Random
from typing import Final

# Below what systems hand out by themselves: a port of theirs may be given to any connection that is opened between
# this look and the process that is to listen there, and on a busy machine seconds lie between. Each of the test
# processes that run side by side has a range of its own.
FIRST: Final = 12_000
RANGE: Final = 1_000
RANGES: Final = 20


def _candidates() -> Iterator[int]:
    worker = int("".join(filter(str.isdigit, os.environ.get("PYTEST_XDIST_WORKER", ""))) or 0)
    first = FIRST + worker % RANGES * RANGE
    while True:
        yield from Random().sample(range(first, first + RANGE), RANGE)


_ports: Final = _candidates()


def free_port() -> int:
    """A port where nobody listens, and that is not given twice."""
    return next(port for port in _ports if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
