"""The web process says why it cannot start."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import uvicorn

from service.__main__ import Server
from service.errors import InvalidSettings


async def no_app(_: Any, __: Any, ___: Any) -> None:
    """An application without requests."""


def test_a_port_that_is_taken_is_a_wrong_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = uvicorn.Config(no_app, host="127.0.0.1", port=port, lifespan="off", log_config=None)

        with pytest.raises(InvalidSettings, match=f"127.0.0.1:{port}: another process may use this port"):
            Server(config).run()
