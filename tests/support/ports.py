"""Free ports, for programs that cannot listen on port 0 or on a Unix socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from random import Random
from typing import Final

# These are below the ports that systems assign by themselves. The system could give such a port to any connection
# before our program listens there, and on a busy machine that takes seconds. Every parallel test process has its own
# range.
FIRST_PORT: Final = 12_000
RANGE_SIZE: Final = 1_000
RANGES: Final = 20


def free_port(*, partner_offset: int = 0) -> int:
    """A port on which nobody listens. No port is returned twice.

    With `partner_offset` the port so far above it is free too: a Valkey cluster uses it for its own traffic.
    """
    return next(port for port in _ports if _is_free(port) and _is_free(port + partner_offset))


def _candidates() -> Iterator[int]:
    worker = int("".join(filter(str.isdigit, os.environ.get("PYTEST_XDIST_WORKER", ""))) or 0)
    first = FIRST_PORT + worker % RANGES * RANGE_SIZE
    while True:
        yield from Random().sample(range(first, first + RANGE_SIZE), RANGE_SIZE)


_ports: Final = _candidates()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
