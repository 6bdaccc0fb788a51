"""Valkey servers: one for each test process, and others that a test kills and starts again."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from deploy.local.supervisor import die_with_parent
from deploy.local.valkey import server_executable
from tests.support.ports import free_port
from tests.support.wait import LOOPBACK, wait_for_address

CLUSTER_BUS_OFFSET: Final = 10_000  # Valkey's own
Fsync = Literal["always", "everysec", "no"]
_numbers: Final = itertools.count()


def valkey_command(
    folder: Path, *, socket: Path | None = None, port: int = 0, fsync: Fsync | None = None, **options: str
) -> list[str]:
    """The command of a server with its data in `folder`, on a Unix socket or a port of 127.0.0.1.

    Without `fsync` it has no append-only file. Underscores in the names of further options stand for hyphens.
    The variable TAGGER_TEST_SERVER names another server program, such as /usr/bin/redis-server.
    """
    settings = {
        "port": str(port),
        "bind": "127.0.0.1",
        "dir": str(folder),
        "save": "",
        "appendonly": "no" if fsync is None else "yes",
        "maxmemory_policy": "noeviction",
        "enable_debug_command": "local",
    }
    if socket is not None:
        settings["unixsocket"] = str(socket)
    if fsync is not None:
        settings["appendfsync"] = fsync
    settings |= options
    words = (word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", value))
    return [os.environ.get("TAGGER_TEST_SERVER") or server_executable(), *words]


class ValkeyServer:
    """A server that a test starts, kills and starts again on its files. It ends with this process."""

    def __init__(
        self,
        folder: Path,
        *,
        fsync: Fsync | None = None,
        on_port: bool = False,
        cluster: bool = False,
        host: str = LOOPBACK,
        **options: str,
    ) -> None:
        self.host = host
        self.prefix: Sequence[str] = ()  # of the command, such as `ip netns exec NAME`
        self.log = Path(os.devnull)  # what it prints
        self.config: Path | None = None  # a file that the server may rewrite
        self.environ: Mapping[str, str] = {}  # further variables
        self.port = free_port(partner_offset=CLUSTER_BUS_OFFSET) if on_port or cluster else 0
        # not in `folder`: the path of a socket has at most 107 bytes
        self._socket = Path("/tmp") / f"tagger-test-{os.getpid()}-{next(_numbers)}.sock"  # noqa: S108
        options |= {"cluster_enabled": "yes"} if cluster else {}
        options |= {} if host == LOOPBACK else {"bind": host, "protected_mode": "no"}
        socket = None if on_port else self._socket
        self._command = valkey_command(folder, socket=socket, port=self.port, fsync=fsync, **options)
        self.url = f"redis://{host}:{self.port}/0" if on_port else f"unix://{self._socket}"
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start it without waiting for it."""
        program, *arguments = self._command
        config = [] if self.config is None else [str(self.config)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603
                [*self.prefix, program, *config, *arguments],
                stdout=log,
                env={**os.environ, **self.environ},
                preexec_fn=die_with_parent(),  # noqa: PLW1509  # it calls one C function
            )

    def start(self) -> None:
        """Start it and wait until it accepts connections. This blocks the event loop."""
        self.launch()
        wait_for_address(self.port if self.url.startswith("redis:") else self._socket, host=self.host)

    def send_signal(self, number: int) -> None:
        """Send a signal to the running server."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self._socket.unlink(missing_ok=True)


@contextmanager
def valkey(
    folder: Path,
    *,
    fsync: Fsync | None = None,
    on_port: bool = False,
    cluster: bool = False,
    **options: str,
) -> Iterator[str]:
    """The URL of a running server. `cluster`: one node, to which no slots are assigned yet."""
    server = ValkeyServer(folder, fsync=fsync, on_port=on_port, cluster=cluster, **options)
    server.start()
    try:
        yield server.url
    finally:
        server.kill()
