"""The proxy that we ship has the limits that the web process relies on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from service.__main__ import KEEP_ALIVE_S
from service.domain.sync.webhooks import MAX_BODY
from service.web.connections import LimitedProtocol

CADDYFILE: Final = (Path(__file__).parents[2] / "deploy/Caddyfile").read_text(encoding="utf-8")


def test_its_limits_are_ours() -> None:
    mib = MAX_BODY // 1024**2

    assert f"max_size {mib}MiB" in CADDYFILE
    assert f"request_buffers {mib}MiB" in CADDYFILE
    for name in ("read_header", "read_body"):
        assert f"{name} {LimitedProtocol.request_timeout_s:.0f}s" in CADDYFILE


def test_it_closes_idle_connections_before_we_do() -> None:
    [keepalive_s] = re.findall(r"\bkeepalive (\d+)s", CADDYFILE)

    assert int(keepalive_s) < KEEP_ALIVE_S


def test_its_braces_match() -> None:
    lines = [line.partition("#")[0] for line in CADDYFILE.splitlines()]
    depth = 0
    for line in lines:
        depth += line.rstrip().endswith("{") - (line.strip() == "}")
        assert depth >= 0
    assert depth == 0
