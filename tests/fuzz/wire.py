"""A client that sends any bytes over one connection and reads the HTTP answers."""

from __future__ import annotations

import socket
from typing import Final

TIMEOUT_S: Final = 60.0


class Wire:
    """One connection, opened again after the server closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def request(self, request: bytes) -> int:
        """The status of the answer; 0 if the server closed the connection without an answer."""
        for _ in range(2):  # the server may have closed an idle connection
            is_new = self._socket is None
            status = self._request(self._connection(), request)
            if status or is_new:
                return status
        return 0

    def send_only(self, noise: bytes) -> int:
        """Send bytes and close the sending side. The status of the answer, 0 without one."""
        with socket.create_connection(("127.0.0.1", self._port), timeout=TIMEOUT_S) as connection:
            try:
                connection.sendall(noise)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            return _status(_read_rest(connection))

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connection(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=TIMEOUT_S)
        return self._socket

    def _request(self, connection: socket.socket, request: bytes) -> int:
        try:
            connection.sendall(request)
            head = _read_until(connection, b"\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            head = b""
        lines = head.lower().split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        body = head.partition(b"\r\n\r\n")[2]
        while head and len(body) < length:
            body += connection.recv(65536)
        if not head or b"connection: close" in lines:
            self.close()
        return _status(head)


def _read_until(connection: socket.socket, end: bytes) -> bytes:
    received = b""
    while end not in received:
        piece = connection.recv(65536)
        if not piece:
            return b""
        received += piece
    return received


def _read_rest(connection: socket.socket) -> bytes:
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def _status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0
