"""The proxy that we ship has the limits that the web process relies on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from service.__main__ import KEEP_ALIVE_S
from service.domain.sync.webhooks import MAX_BODY
from service.web.connections import LimitedProtocol
from tests.support.tools import run_tool

PATH: Final = Path(__file__).parents[2] / "deploy/Caddyfile"
CADDYFILE: Final = PATH.read_text(encoding="utf-8")


def test_its_limits_are_ours() -> None:
    mib = MAX_BODY // 1024**2

    assert f"max_size {mib}MiB" in CADDYFILE
    assert f"request_buffers {mib}MiB" in CADDYFILE
    for name in ("read_header", "read_body"):
        assert f"{name} {LimitedProtocol.request_timeout_s:.0f}s" in CADDYFILE


def test_it_closes_idle_connections_before_we_do() -> None:
    [keepalive_s] = re.findall(r"\bkeepalive (\d+)s", CADDYFILE)

    assert int(keepalive_s) < KEEP_ALIVE_S


@pytest.mark.parametrize(
    "addresses", [{}, {"WEBHOOKS_ADDRESS": "web:8000", "CONSOLE_ADDRESS": "console:8000"}]
)
def test_caddy_accepts_it(addresses: dict[str, str], tmp_path: Path) -> None:
    environ = {"DOMAIN": "tagger.example.com", "HOME": str(tmp_path), **addresses}

    result = run_tool("caddy", "validate", "--adapter", "caddyfile", "--config", PATH, environ=environ)

    assert result.returncode == 0, result.stderr
    assert "WARN" not in result.stderr
