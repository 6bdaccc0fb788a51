"""Secrets and personal data, planted in the real process: neither its log nor its answers nor its arguments have them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from deploy.local.wait import until
from service.store.shops.repository import ShopRepository
from tests.ports import free_port
from tests.web.conftest import KEY, ORG, OWN_SECRET, environ, settings, shops, signature

__all__ = ["environ", "settings", "shops"]  # fixtures

pytestmark = pytest.mark.timeout(600)  # each starts processes
ROOT = Path(__file__).parents[1]
SECRETS = {
    "HARAVAN_WEBHOOK_SECRETS": "canary-app-secret-1f",
    "HARAVAN_VERIFY_TOKEN": "canary-verify-token-2e",
    "OPS_TOKENS": "an=canary-ops-token-3d",
    "ALERT_URLS": "json://canary-alert-user:canary-alert-word@127.0.0.1:1",
}
PERSONAL = ("canary@example.com", "0900000001", "Chim Hoàng Yến", "canary-note-4c")
BODY = json.dumps(dict(zip(("email", "phone", "first_name", "note"), PERSONAL, strict=True)) | {"id": 7})
CANARIES = ("canary", KEY, OWN_SECRET, "t" * 20, *PERSONAL)  # the shop's token is twenty t
AWAY = "redis://:canary-store-word@127.0.0.1:1/0"


@dataclass
class Web:
    """A web process, what it has said, and everything that it answered."""

    client: httpx2.AsyncClient
    pid: int
    log: Path
    heard: list[str]

    async def post(self, path: str, body: str, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self.client.post(path, content=body.encode(), headers=named)
        self.heard.append(f"{answer.status_code} {answer.headers} {answer.text}")

    async def get(self, path: str, **headers: str) -> None:
        answer = await self.client.get(path, headers=headers)
        self.heard.append(f"{answer.status_code} {answer.headers} {answer.text}")

    def arguments(self) -> list[str]:
        """Of the process and of those that it started: anybody on the machine may read them."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [Path(f"/proc/{each}/cmdline").read_text() for each in (self.pid, *children)]


def planted(*texts: str) -> list[str]:
    return [canary for canary in CANARIES if any(canary in text for text in texts)]


@asynccontextmanager
async def web(folder: Path, redis_url: str) -> AsyncIterator[Web]:
    """The process that people run, with a secret in every setting that takes one."""
    port, log = free_port(), folder / "log"
    environ = SECRETS | {
        "REDIS_URL": redis_url,
        "SECRET_KEY": KEY,
        "PORT": str(port),
        "DURABILITY": "everysec",
    }
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "service"),
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **environ},
            stdout=out,
            stderr=out,
        )
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=300) as client:
            assert await until(lambda: answers(client), within_s=300)
            yield Web(client, process.pid, log, [])
    finally:
        process.terminate()
        await process.wait()


async def answers(client: httpx2.AsyncClient) -> bool:
    try:
        return (await client.get("/healthz")).status_code == 200
    except httpx2.TransportError:
        return False


async def ask_everything(asked: Web) -> None:
    """Right and wrong webhooks, handshakes and questions, with secrets and personal data in each of them."""
    ops = f"Bearer {SECRETS['OPS_TOKENS'].removeprefix('an=')}"
    here = f"/ops/v1/shops/{ORG}"
    signed = signature(BODY.encode(), SECRETS["HARAVAN_WEBHOOK_SECRETS"])
    head = {"X_Haravan_Topic": "customers/update", "X_Haravan_Org_Id": ORG}
    asking = {"Authorization": ops, "Content_Type": "application/json"}
    await asked.post("/webhooks/haravan", BODY, X_Haravan_HmacSha256=signed, **head)
    await asked.post("/webhooks/haravan", BODY, X_Haravan_HmacSha256="canary", **head)
    await asked.post(
        "/webhooks/haravan", BODY[:-1], X_Haravan_HmacSha256=signature(BODY[:-1].encode(), OWN_SECRET), **head
    )
    await asked.get(
        f"/webhooks/haravan?hub.mode=subscribe&hub.verify_token={SECRETS['HARAVAN_VERIFY_TOKEN']}&hub.challenge=x"
    )
    await asked.get("/webhooks/haravan?hub.mode=subscribe&hub.verify_token=canary&hub.challenge=x")
    await asked.get("/ops/v1/shops", Authorization="Bearer canary-wrong-token")
    for path in (
        "/ops/v1/shops",
        here,
        f"{here}/deliveries",
        f"{here}/rules",
        f"{here}/customers/7",
        f"{here}/audit",
    ):
        await asked.get(path, Authorization=ops)
    for path in (f"{here}/pause", f"{here}/rules/preview", f"{here}/rules/publish", f"{here}/replays"):
        await asked.post(path, BODY, **asking)
    for path in ("/metrics", "/readyz", "/ops/openapi.json"):
        await asked.get(path)


async def test_no_canary_leaks_while_redis_is_up(
    tmp_path: Path, shops: ShopRepository, redis_url: str
) -> None:
    async with web(tmp_path, redis_url) as asked:
        await ask_everything(asked)
        arguments = asked.arguments()

    assert len(arguments) >= 2  # the web process and those of its CPU pool
    assert {heard[:3] for heard in asked.heard} >= {"200", "400", "401", "404"}
    assert planted(asked.log.read_text(), *asked.heard, *arguments) == []


async def test_no_canary_leaks_while_redis_is_down(tmp_path: Path) -> None:
    async with web(tmp_path, AWAY) as asked:
        await ask_everything(asked)
        arguments = asked.arguments()

    assert {heard[:3] for heard in asked.heard} >= {"200", "401", "503"}
    assert "store_unavailable" in asked.log.read_text()
    assert planted(asked.log.read_text(), *asked.heard, *arguments) == []


@pytest.mark.parametrize("module", ["service", "workers"])
async def test_a_wrong_setting_is_named_and_never_shown(module: str) -> None:
    wrong = {
        "REDIS_URL": "canary://word@x",
        "SECRET_KEY": "canary-too-short",
        "OPS_TOKENS": "canary-without-a-name",
        "HOST": "canary host",
        "PORT": "canary",
        "HARAVAN_ACCESS_TOKEN": "canary-access-token",
        "RULES_FILE": "/canary/file",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **wrong},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await process.communicate())[0].decode()

    assert process.returncode != 0
    assert unnamed(said, wrong) == []
    assert planted(said) == []


def unnamed(said: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name not in said]
