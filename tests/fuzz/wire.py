"""A client that sends any bytes over one connection, and reads what HTTP answers it gets."""

from __future__ import annotations

import socket
from typing import Final

WITHIN_S: Final = 60.0


class Wire:
    """One connection at a time, opened again when the server hung up."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def ask(self, request: bytes) -> int:
        """The status of the answer; 0 when the server hung up without one."""
        for _ in range(2):  # a kept connection may have been closed meanwhile
            fresh = self._socket is None
            status = self._ask(self._there(), request)
            if status or fresh:
                return status
        return 0

    def shout(self, noise: bytes) -> int:
        """Send bytes and no more; the status of whatever comes back before the server hangs up, 0 for nothing."""
        with socket.create_connection(("127.0.0.1", self._port), timeout=WITHIN_S) as there:
            try:
                there.sendall(noise)
                there.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            return _status(_rest(there))

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _there(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=WITHIN_S)
        return self._socket

    def _ask(self, there: socket.socket, request: bytes) -> int:
        try:
            there.sendall(request)
            head = _until(there, b"\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            head = b""
        lines = head.lower().split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        body = head.partition(b"\r\n\r\n")[2]
        while head and len(body) < length:
            body += there.recv(65536)
        if not head or b"connection: close" in lines:
            self.close()
        return _status(head)


def _until(there: socket.socket, mark: bytes) -> bytes:
    got = b""
    while mark not in got:
        piece = there.recv(65536)
        if not piece:
            return b""
        got += piece
    return got


def _rest(there: socket.socket) -> bytes:
    got = b""
    try:
        while piece := there.recv(65536):
            got += piece
    except ConnectionResetError:
        pass
    return got


def _status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0
